"""The typed options of the sampled gate. Imports no TensorFlow."""

from typing import Literal

from pydantic import Field, SerializeAsAny, model_validator

from trainer.gates.balance_options import BalanceOptions
from trainer.gates.options import GateSection, PerTask


class SampledOptions(GateSection):
    """One expert an example, sampled, where each has room for only so many of a batch.

    Attributes:
        router: of `trainer.estimators.registry`. `skip` and `balanced` are unbiased;
            `plain_skip`, `plain_balanced`, `greedy` and `top_k_dropped` are what is commonly
            done instead. All but `skip` run on the host: no XLA, no parameter server.
        capacity_factor: an expert has room for ceil(capacity_factor B / n) of B examples;
            from n on for all of them.
        experts_per_task: k of `top_k_dropped`, which samples nothing; any other has 1.
        balance: `importance` or `kl`, of the probabilities.
    """

    kind: Literal["sampled"]
    per_example: Literal[True] = True
    router: Literal[
        "skip", "balanced", "plain_skip", "plain_balanced", "greedy", "top_k_dropped"
    ] = "skip"
    capacity_factor: float = Field(1.25, ge=1.0, le=1024.0)
    experts_per_task: PerTask = 1
    balance: SerializeAsAny[BalanceOptions] | None = None

    @model_validator(mode="after")
    def _options_fit(self) -> "SampledOptions":
        if (self.experts_per_task > 1) != (self.router == "top_k_dropped"):
            raise ValueError(
                "`experts_per_task` must be at least 2 with `router: top_k_dropped`, as a single "
                "expert would always weigh 1, and 1 with any other. Received: "
                f"experts_per_task={self.experts_per_task}, router={self.router}"
            )
        if self.balance is not None and self.balance.is_hard:
            raise ValueError(
                "`balance` of this gate must be `importance` or `kl`: its experts are full "
                f"by their capacity. Received: kind={self.balance.kind}"
            )
        return self
