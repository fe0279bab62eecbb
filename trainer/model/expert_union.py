"""The experts that some task uses, trained in place of all."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.model.stacks import ParallelStack


class ExpertUnion:
    """Copies of the used experts and of the optimizer's slots: forward, backward and update of
    the others fall away.

    The whole model's variables and slots keep their shapes, so that a checkpoint looks the
    same with and without; `write_back` brings them up to date. No Keras layer, and so not
    among the model's weights.

    Args:
        stack: all n experts.
        indices: the u that are used.
        variables: all that is trained, with those of `stack`.
        optimizer: of `variables`, built.

    Attributes:
        experts: the u experts.
        variables: those of `experts` in place of those of `stack`, in the same order.
        optimizer: of these variables.

    Reference: METHODS section 8.
    """

    def __init__(
        self,
        stack: ParallelStack,
        indices: np.ndarray,
        variables: Sequence[tf.Variable],
        optimizer: tf.keras.optimizers.Optimizer,
    ) -> None:
        self.indices = indices
        widths = [layer.units for layer in stack.layers]
        self.experts = ParallelStack(len(indices), widths, stack.dropout.rate, stack.name)
        self.experts(tf.zeros([1, stack.layers[0].kernel.shape[1]]))
        full, narrow = stack.trainable_variables, self.experts.trainable_variables
        stand_ins = {whole.ref(): part for whole, part in zip(full, narrow, strict=True)}
        self.variables = [stand_ins.get(variable.ref(), variable) for variable in variables]
        self.optimizer = optimizer.from_config(optimizer.get_config())
        self.optimizer.build(self.variables)
        # Slots come in the order of the variables, so those of both optimizers go together.
        slots = zip(optimizer.variables, self.optimizer.variables, strict=True)
        self._pairs = [*zip(full, narrow, strict=True), *slots]
        for whole, part in self._pairs:
            part.assign(whole if part.shape == whole.shape else tf.gather(whole, indices))

    def write_back(self) -> None:
        """Gives the whole what has been learnt; unused experts keep theirs."""
        for whole, part in self._pairs:
            if part.shape == whole.shape:
                whole.assign(part)
            else:
                where = self.indices[:, np.newaxis]
                whole.assign(tf.tensor_scatter_nd_update(whole, where, part))
