"""The part of the YAML that the trainer reads: gate, model, training and the score."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trainer.checkpoints.options import CheckpointOptions
from trainer.gates.options import GateSection, Widths
from trainer.gates.registry import GateOptions
from trainer.gates.selector_options import DSelectKOptions
from trainer.loss.options import FixedOptions, LossBalanceOptions
from trainer.model.options import MAX_EXPERTS, Model
from trainer.score import parse_score
from trainer.strategies.options import OneDeviceOptions, StrategyOptions
from trainer.warm_start.options import Base, BaseGates, NewRows
from transforms.features import Features
from transforms.section import Section
from transforms.shared_words import check_shares
from transforms.tasks import Tasks

Role = Literal["candidate", "baseline"]
ROLES: tuple[Role, ...] = ("candidate", "baseline")
"""The two rankers of a run: the one that may be pushed, and what it has to beat."""


class Training(Section):
    """The `training` section.

    Attributes:
        optimizer: `adam`, `adagrad` or `sgd`.
        lazy_rows: by `adam`, an embedding table with at least so many rows is updated only
            where a batch looks it up.
        learning_rate: of the optimizer, at the start.
        final_learning_rate: share of it that is left after `max_epochs`, along half a cosine
            wave; 1 keeps it constant.
        batch_size: examples a step, over all replicas.
        cache_mb: parsed examples of a split stay in memory if they take no more than this;
            else they are parsed again each epoch.
        max_epochs: an upper bound; early stopping usually ends training sooner.
        patience: epochs without a better validation loss until training stops.
        l2: penalty on the kernels of cross layers, experts, towers and wide part: the sum of
            squares.
        embedding_l2: penalty on the rows that a batch looks up, mean square a row.
        seed: of the initialisation, of shuffling and of dropout.
        deterministic: has TensorFlow add up in one order always, so that the same training on the
            same machine ends with the same weights, bit for bit, interrupted or not.
        profile: has TensorBoard's log show what the steps 10 to 20 spend their time on.
        checkpoint: when its state is saved, for a killed training to go on from; null for never.
        loss_balance: how much each task's loss counts besides its `weight`: `fixed`,
            `uncertainty`, `gradnorm` or `pcgrad`, or a section with `kind`. Validation always
            counts the weights alone, so that its losses can be compared.
        strategy: the devices and processes that train: `one_device`, `mirrored`,
            `multi_worker`, `parameter_server` or `tpu`, or a section with `kind`.
        base: `latest_blessed`: training begins from the weights of the newest blessed model of
            the workspace that has not seen these examples, the baseline's from those of the
            baseline that was trained beside it; null begins from scratch.
        new_rows: what words get that the base had not: `fresh` rows, or the `mean` of the rows
            of its words.
        base_gates: what becomes of selectors that are binary in the base: `keep` leaves them
            so, and trains their experts only; `reopen` lets them choose again.
    """

    optimizer: Literal["adam", "adagrad", "sgd"] = "adam"
    lazy_rows: int = Field(1_000_000, ge=1)
    learning_rate: float = Field(0.001, gt=0.0, le=10.0)
    final_learning_rate: float = Field(1.0, ge=0.0, le=1.0)
    batch_size: int = Field(512, ge=1, le=1_000_000)
    cache_mb: int = Field(4096, ge=0)
    max_epochs: int = Field(20, ge=1, le=10_000)
    patience: int = Field(3, ge=1, le=1000)
    l2: float = Field(0.0, ge=0.0, le=1e3)
    embedding_l2: float = Field(0.0, ge=0.0, le=1e3)
    seed: int = Field(1, ge=0, le=2**31 - 1)
    deterministic: bool = False
    profile: bool = False
    checkpoint: CheckpointOptions | None = CheckpointOptions()
    loss_balance: LossBalanceOptions = FixedOptions(kind="fixed")
    strategy: StrategyOptions = OneDeviceOptions()
    base: Base | None = None
    new_rows: NewRows = "fresh"
    base_gates: BaseGates = "keep"

    @model_validator(mode="after")
    def _strategy_carries_the_balance(self) -> "Training":
        if self.loss_balance.kind == "gradnorm" and self.strategy.kind == "parameter_server":
            raise ValueError(
                "`loss_balance: gradnorm` follows the losses step by step, and workers of "
                "parameter servers step each by itself. Received: "
                "loss_balance=gradnorm, strategy=parameter_server"
            )
        return self


class TrainerConfig(Section):
    """All that `run_fn` needs; the candidate and the baseline differ in `gate` only.

    Attributes:
        features: the model's inputs.
        tasks: the model's outputs.
        gate: which experts a task uses.
        model: the network.
        training: how it is trained.
        score: formula over the tasks' predictions, what candidates are sorted by.
    """

    features: Features
    tasks: Tasks
    gate: GateOptions = DSelectKOptions(kind="dselect_k")
    model: Model = Model()
    training: Training = Training()
    score: str = Field(max_length=10_000)

    @model_validator(mode="after")
    def _sections_fit(self) -> "TrainerConfig":
        check_gate(self.gate, self.model, self.tasks)
        check_shares(self.features)
        parse_score(self.score, tuple(self.tasks))
        return self

    def with_training(self, **changes: Any) -> Self:
        """The same but for some options of the `training` section, which are not checked again."""
        training = self.training.model_copy(update=changes)
        return self.model_copy(update={"training": training})

    @property
    def num_shared(self) -> int:
        """How many experts all tasks share: `model.num_experts`, or 1 for a shared bottom."""
        return self.gate.count_experts(self.model.num_experts)

    @property
    def num_own(self) -> int:
        """How many experts each task has besides: `model.own_experts`, or 0."""
        return self.gate.count_own_experts(self.model.own_experts)

    @property
    def num_experts(self) -> int:
        """How many experts each level of the ranker has: those of all tasks, then each task's."""
        return self.num_shared + len(self.tasks) * self.num_own

    @property
    def expert_units(self) -> Widths:
        """Widths of each expert's layers: `model.expert_units`, unless the gate has its own."""
        return self.gate.choose_widths(self.model.expert_units)


def check_gate(gate: GateSection, model: Model, tasks: Tasks) -> None:
    """Refuses a gate that does not go with the experts or the tasks.

    Raises:
        ValueError: with the rule and the numbers.
    """
    experts_per_task = getattr(gate, "experts_per_task", 1)
    if experts_per_task > model.num_experts + model.own_experts:
        own = f" + own_experts={model.own_experts}" if model.own_experts else ""
        raise ValueError(
            "gate: `experts_per_task` must be at most `num_experts`. Received: "
            f"experts_per_task={experts_per_task}, num_experts={model.num_experts}{own}"
        )
    total = model.num_experts + len(tasks) * model.own_experts
    if total > MAX_EXPERTS:
        raise ValueError(
            f"model: there must be at most {MAX_EXPERTS} experts. Received: num_experts="
            f"{model.num_experts} + {len(tasks)} tasks * own_experts={model.own_experts}"
        )
    if model.extraction_levels > 1:
        _check_levels(gate)
    chained = [name for name, task in tasks.items() if task.chain is not None]
    if gate.kind == "sampled" and chained:
        raise ValueError(
            "gate: `sampled` weighs each loss by the experts of its task alone, and a chain "
            f"brings in another's. Received: chains of {', '.join(chained)}"
        )


def _check_levels(gate: GateSection) -> None:
    budget = getattr(gate, "serving_budget", None)
    if budget is not None:
        raise ValueError(
            "gate: a `serving_budget` counts the experts of one level. Received: "
            f"serving_budget={budget}, more than one of model.extraction_levels"
        )
    if gate.kind == "sampled":
        raise ValueError(
            "gate: `sampled` weighs each loss by the experts of one level. Received: more "
            "than one of model.extraction_levels"
        )
