"""A trial in a line."""

from typing import Any

from trainer.tuning.result import Trial

_MESSAGE_WIDTH = 100


def describe_trial(trial: Trial, best: Trial | None) -> str:
    """What became of a trial, what is the best so far, and its values.

    Args:
        trial: one that has ended.
        best: of all that have.

    Example:
        >>> from trainer.tuning.result import TrialResult
        >>> result = TrialResult(state="completed", objective=0.7, epochs=4, seconds=12.0)
        >>> trial = Trial(number=3, values={"gate.experts_per_task": 2}, result=result)
        >>> describe_trial(trial, trial)
        'trial 3: 0.70000 (best), 4 epochs, 12 s; gate.experts_per_task=2'
    """
    result = trial.result
    if result is None:
        return f"trial {trial.number}: runs"
    if result.state == "completed":
        is_best = best is not None and best.number == trial.number
        rival = "best" if is_best or best is None else f"best {best.objective:.5f}"
        state = f"{result.objective:.5f} ({rival})"
    else:
        reason = result.message.splitlines()[0] if result.message else ""
        state = f"{result.state}, {reason:.{_MESSAGE_WIDTH}}".rstrip(", :")
    values = " ".join(f"{path}={short(value)}" for path, value in trial.values.items())
    return (
        f"trial {trial.number}: {state}, {result.epochs} epochs, {result.seconds:.0f} s; {values}"
    )


def short(value: Any) -> str:
    """A value for people: four digits are enough.

    Example:
        >>> short(0.00123456), short([128, 32])
        ('0.001235', '[128, 32]')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
