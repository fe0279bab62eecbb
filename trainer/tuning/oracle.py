"""keras-tuner's oracles, which choose the values of trials, made durable and fair.

An oracle of keras-tuner keeps its state in files, but writes them in place, and saves a trial as
ongoing that has just ended: after a kill it may find half a file, or run finished trials again.
Here files are replaced whole, and what a trial's file says goes before the oracle's.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras_tuner as kt
from keras_tuner.engine.trial import Trial as KerasTrial
from keras_tuner.engine.trial import TrialStatus

from trainer.config import TrainerConfig
from trainer.tuning.paths import decode
from trainer.tuning.result import RESULT_FILE, read_result, write_json
from trainer.tuning.space import Dimension, is_allowed, own_values
from transforms.errors import ConfigError

OBJECTIVE = "objective"
_DRAWS_A_TRIAL = 50
_RANDOM_SHARE = 4
_MIN_RANDOM = 3


class _Durable(kt.Oracle):
    """What both oracles have in common: the first trial, no trial twice, files that are whole.

    Args:
        config: the configuration whose options are searched.
        space: what they may be.
        trials: how many trials.
        seed: of the draws.
    """

    def __init__(
        self,
        config: TrainerConfig,
        space: Sequence[Dimension],
        trials: int,
        seed: int,
        **options: Any,
    ) -> None:
        super().__init__(
            objective=kt.Objective(OBJECTIVE, "max"),
            max_trials=trials,
            # keras-tuner takes 0 for no seed.
            seed=seed + 1,
            hyperparameters=make_hyperparameters(space),
            allow_new_entries=False,
            # Trials that are discarded are no reason to stop; those that crash are the tuner's.
            max_consecutive_failed_trials=trials + 1,
            **options,
        )
        self.verbose = 0
        self._config, self._dimensions = config, tuple(space)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of the next trial: the YAML's own, then what is searched."""
        values: dict[str, Any] | None
        if self.trials:
            with warnings.catch_warnings():
                # A Gaussian process over few trials often meets the bounds of its kernel.
                warnings.simplefilter("ignore")
                values = self._clamp(super().populate_space(trial_id)["values"] or {})
        else:
            values = own_values(self._dimensions)
        return {"status": TrialStatus.RUNNING, "values": self._make_fresh(values)}

    def _clamp(self, values: dict[str, Any]) -> dict[str, Any]:
        """keras-tuner's whole numbers on a logarithmic scale may be one too large."""
        whole = {d.path: d for d in self._dimensions if d.kind == "int" and d.path in values}
        return values | {path: min(values[path], int(d.high)) for path, d in whole.items()}

    def _make_fresh(self, values: dict[str, Any] | None) -> dict[str, Any]:
        """The values, or a draw in their place if they were tried or break a rule."""
        for _ in range(_DRAWS_A_TRIAL * self.max_trials):
            if values and not self._duplicate(values) and self._is_allowed(values):
                return values
            values = self._clamp(self._draw())
        raise ConfigError(
            "tuning: must have as many combinations that break no rule as trials. "
            f"Received: trials={self.max_trials}, found {len(self.trials)}"
        )

    def _draw(self) -> dict[str, Any]:
        values = {}
        for parameter in self.hyperparameters.space:
            values[parameter.name] = parameter.random_sample(self._seed_state)
            self._seed_state += 1
        return values

    def _is_allowed(self, values: Mapping[str, Any]) -> bool:
        return is_allowed(self._config, {path: decode(value) for path, value in values.items()})

    def trial_folder(self, trial_id: str) -> Path:
        """Where keras-tuner keeps what it knows of a trial, and its process writes."""
        return Path(self._get_trial_dir(trial_id))

    def save(self) -> None:
        """Writes the oracle's state, whole."""
        write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: KerasTrial) -> None:
        write_json(self.trial_folder(trial.trial_id) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Goes on after a kill: what had ended has ended, all else is run again, in its order."""
        super().reload()
        order = sorted(self.trials, key=int)
        for trial_id in order:
            self._forget_failure(self.trials[trial_id])
            self._record_values(self.trials[trial_id])
        running = [i for i in order if self.trials[i].status == TrialStatus.RUNNING]
        self.start_order = order
        self.end_order = [trial_id for trial_id in order if trial_id not in running]
        # The queue is taken from its end.
        self._retry_queue = running[::-1]

    def _forget_failure(self, trial: KerasTrial) -> None:
        """A process that ended early says nothing of its values: it gets another chance."""
        folder = self.trial_folder(trial.trial_id)
        result = read_result(folder)
        if result is not None and result.state == "failed":
            (folder / RESULT_FILE).unlink()
            trial.status, trial.message = TrialStatus.RUNNING, None


class RandomOracle(_Durable, kt.oracles.RandomSearchOracle):
    """Independent draws: the same ones for a seed, however many trials run at a time."""


class BayesianOracle(_Durable, kt.oracles.BayesianOptimizationOracle):
    """Draws, and then where a Gaussian process expects most of what is not known yet.

    What it chooses depends on which trials have ended, so on their order in time too.
    """

    def __init__(
        self, config: TrainerConfig, space: Sequence[Dimension], trials: int, seed: int
    ) -> None:
        draws = min(3 * len(space), max(_MIN_RANDOM, trials // _RANDOM_SHARE))
        super().__init__(config, space, trials, seed, num_initial_points=draws)


ORACLES: dict[Literal["random", "bayesian"], Callable[..., _Durable]] = {
    "random": RandomOracle,
    "bayesian": BayesianOracle,
}


def make_hyperparameters(space: Sequence[Dimension]) -> kt.HyperParameters:
    """The space in keras-tuner's words; the defaults are the YAML's own values.

    Args:
        space: what is searched.

    Example:
        >>> rate = Dimension("training.learning_rate", "float", 0.001, 0.1, log=True, own=0.01)
        >>> make_hyperparameters([rate]).values
        {'training.learning_rate': 0.01}
    """
    found = kt.HyperParameters()
    for one in space:
        own = None if one.own is None else one.encode(one.own)
        if one.kind == "choice":
            found.Choice(one.path, [one.encode(value) for value in one.values], default=own)
        else:
            make = found.Int if one.kind == "int" else found.Float
            scale = "log" if one.log else "linear"
            make(one.path, one.low, one.high, sampling=scale, default=own)
    return found
