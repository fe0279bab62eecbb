"""Many runs of a model with a static gate as one model: seeds and learning rates side by side.

Tasks of a static gate do not know of each other, so the gate of R runs of T tasks is one gate
of R T tasks, and experts of R runs are one tensor with R in front. The sum of the runs'
objectives has the gradients of each, and optimizers work by element.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.harness.rates import apply_at_rates
from trainer.gates.registry import make_gate, parse_gate

# A softmax never reaches 0, so what is this little counts as not used.
USED = 1e-3


class StaticRuns(tf.Module):
    """The gates of R runs.

    Args:
        gate: section of the YAML.
        num_tasks: T, of one run.
        num_experts: n.
        rates: learning rate of each run, [R].
    """

    def __init__(
        self, gate: dict[str, object], num_tasks: int, num_experts: int, rates: Sequence[float]
    ) -> None:
        super().__init__("runs")
        self.num_runs, self.num_tasks, self.num_experts = len(rates), num_tasks, num_experts
        self.rates = tf.constant(rates, tf.float32)
        self.gate = make_gate(self.num_runs * num_tasks, num_experts, parse_gate(gate))
        self.gate(tf.zeros([1, 1]))
        # A run's training steps before all its selectors were binary.
        self.open_steps = tf.Variable(tf.zeros([self.num_runs]), trainable=False)

    def weights(self, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """[R, T, n], and the sum of all runs' penalties."""
        output = self.gate(tf.zeros([1, 1]), training=training)
        total = tf.add_n([tf.zeros([]), *output.penalties.values()])
        return tf.reshape(output.weights, (self.num_runs, self.num_tasks, self.num_experts)), total

    def converged(self) -> tf.Tensor:
        """[R] bool."""
        return tf.reduce_all(tf.reshape(self.gate.converged(), (self.num_runs, -1)), axis=-1)

    def selected(self) -> npt.NDArray[np.bool_]:
        """[R, T, n]: the experts that each task uses."""
        used: npt.NDArray[np.bool_] = self.weights(training=False)[0].numpy() > USED
        return used

    def apply(
        self,
        optimizer: tf.keras.optimizers.Optimizer,
        gradients: Sequence[tf.Tensor],
        variables: Sequence[tf.Variable],
    ) -> None:
        """One step; the optimizer's learning rate is 1 and each run's change times its own.

        Args:
            optimizer: whose step is linear in the learning rate.
            gradients: of the sum of the runs' objectives.
            variables: whose first dimension is a multiple of R.
        """
        rates = [self._rates_of(variable) for variable in variables]
        apply_at_rates(optimizer, gradients, variables, rates)
        self.open_steps.assign_add(tf.cast(~self.converged(), tf.float32))

    def _rates_of(self, variable: tf.Variable) -> tf.Tensor:
        """The runs' learning rates, repeated to the variable's first dimension."""
        rates = tf.repeat(self.rates, variable.shape[0] // self.num_runs)
        return tf.reshape(rates, [-1] + [1] * (variable.shape.rank - 1))


def fit_schedule(gate: dict[str, object], steps: int) -> dict[str, object]:
    """A gate that anneals by a number of steps does so over the whole training.

    Example:
        >>> fit_schedule({"kind": "dselect_k_annealed"}, 100)["steps"]
        100
    """
    return gate | {"steps": steps} if gate["kind"] == "dselect_k_annealed" else gate
