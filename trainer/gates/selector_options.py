"""The typed options of DSelect-k and of its ablations. Imports no TensorFlow."""

from typing import Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from trainer.gates.balance_options import BalanceOptions
from trainer.gates.options import BudgetedSection, PerTask, Steps, Weight, check_balance


class SelectorSection(BudgetedSection):
    """What the options of gates have whose selectors become binary."""

    @property
    def can_be_binary(self) -> bool:
        """Unless per example: the selectors of a static gate are to become binary."""
        return not self.per_example


class EntropySection(SelectorSection):
    """What the options of gates have whose selectors an entropy penalty sharpens.

    Attributes:
        entropy_weight: lambda, drives every selector to one expert.
        entropy_growth: what a step that meets the serving budget, or has none, adds to lambda.
    """

    entropy_weight: Weight = 0.01
    entropy_growth: Weight = 0.0


class DSelectKOptions(EntropySection):
    """DSelect-k: k smooth-step selectors, each binary after convergence.

    Attributes:
        experts_per_task: k, the number of selectors.
        beta: width of the smooth-step function.
        beta_steps: training steps over which beta falls to 1e-16, after which every selector
            is one expert, for every example too; only those that meet the serving budget
            count. About two thirds of all steps leave time to adapt. null keeps beta.
        initial_scale: z starts uniform in [-1, 1] times `initial_scale` times beta. With a
            small one the selectors of a task start alike, with a large one each near
            experts of its own.
        unused_codes: what becomes of the codes without an expert, where the number of
            experts is no power of two: `penalty` on their mass, or each stands for a
            `random` expert, of which no two codes have the same.
        unreachable_weight: lambda_u, penalty on the mass of unused codes.
        unused_codes_seed: of the draw of the random experts.
        balance: how a per-example gate spreads the examples; `importance` or `kl`.
    """

    kind: Literal["dselect_k"]
    experts_per_task: PerTask = 2
    beta: float = Field(1.0, gt=0.0, le=1e6)
    beta_steps: Steps | None = None
    initial_scale: float = Field(0.01, gt=0.0, lt=0.5)
    unused_codes: Literal["penalty", "random"] = "penalty"
    unreachable_weight: Weight = 1.0
    unused_codes_seed: int = Field(0, ge=0, le=2**31 - 1)
    balance: SerializeAsAny[BalanceOptions] | None = None

    @model_validator(mode="after")
    def _balance_fits(self) -> Self:
        check_balance(self.balance, self.per_example)
        if self.balance is not None and self.balance.is_hard:
            raise ValueError(
                "`balance` of this gate must be `importance` or `kl`: it has no logits to bar. "
                f"Received: kind={self.balance.kind}"
            )
        return self


class AnnealedOptions(SelectorSection):
    """Ablation of DSelect-k: k softmax selectors whose temperature falls to 1e-16.

    Attributes:
        experts_per_task: k, the number of selectors.
        start_temperature: tau_s, the temperature of the first step.
        steps: training steps over which the temperature falls log-uniformly, whether they
            meet the serving budget or not.
    """

    kind: Literal["dselect_k_annealed"]
    per_example: Literal[False] = False
    experts_per_task: PerTask = 2
    start_temperature: float = Field(10.0, gt=1e-16, le=1e6)
    steps: Steps = 10_000


class EntropyOptions(EntropySection):
    """Ablation of DSelect-k: k softmax selectors with the entropy penalty.

    Attributes:
        experts_per_task: k, the number of selectors.
    """

    kind: Literal["dselect_k_entropy"]
    per_example: Literal[False] = False
    experts_per_task: PerTask = 2
