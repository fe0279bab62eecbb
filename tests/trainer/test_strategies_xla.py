"""The whole step compiles under XLA, as a TPU needs it: fixed shapes, no op of the host."""

import numpy as np
import pytest
import tensorflow as tf
from strategy_runs import CASES, make_config, open_batches

from trainer.gates.registry import parse_gate
from trainer.loss.options import parse_loss_balance
from trainer.strategies.parts import cut_batches
from trainer.train import make_ready

pytestmark = pytest.mark.slow


def step_through(config, transform, batches, compiled):
    """Trains for three steps, validates, and gives the weights and the metrics.

    The first and the last batch of an epoch, which is smaller: padded if compiled.
    """
    tf.keras.utils.set_random_seed(1)
    ranker = make_ready(config, transform, batches, batches.mean_labels(config.tasks))
    train = tf.function(ranker.train_step, jit_compile=compiled)
    validate = tf.function(ranker.test_step, jit_compile=compiled)
    epoch = batches.epoch()
    parts = cut_batches(epoch, batches.batch_size, 1) if compiled else epoch
    some = [*parts.take(2), *parts.skip(batches.steps - 1)]
    for batch in some:
        train(batch)
    ranker.reset_metrics()
    measured = [validate(batch) for batch in some][-1]
    assert train.experimental_get_tracing_count() == (1 if compiled else 2)
    return ranker.get_weights(), {name: float(value) for name, value in measured.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("case", CASES)
def test_a_compiled_step_on_padded_batches_does_what_a_plain_one_does(case, optimizer, transformed):
    if optimizer == "adam" and case != "static":
        pytest.skip("one case is enough for what an optimizer does")
    config = make_config(case).with_training(optimizer=optimizer, learning_rate=0.01)
    transform, batches = open_batches(case, transformed)
    (plain, plainly), (compiled, compiledly) = (
        step_through(config, transform, batches, jit) for jit in (False, True)
    )
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert plainly == pytest.approx(compiledly, rel=1e-4)


@pytest.mark.parametrize("loss_balance", ["uncertainty", "gradnorm", "pcgrad"])
def test_the_family_compiles_too(loss_balance, transformed):
    config = make_config("static").with_training(loss_balance=parse_loss_balance(loss_balance))
    wider = {"own_experts": 1, "extraction_levels": 2, "cross_layers": 1}
    model = config.model.model_copy(update=wider)
    weights, figures = step_through(
        config.model_copy(update={"model": model}), *open_batches("static", transformed), True
    )
    assert all(np.isfinite(weight).all() for weight in weights)
    assert np.isfinite(list(figures.values())).all()


@pytest.mark.parametrize("gate", [{"kind": "sampled"}, {"kind": "noisy_top_k"}])
def test_gates_that_draw_compile_too(gate, transformed):
    config = make_config("soft-balance").model_copy(update={"gate": parse_gate(gate)})
    weights, figures = step_through(config, *open_batches("soft-balance", transformed), True)
    assert all(np.isfinite(weight).all() for weight in weights)
    assert np.isfinite(list(figures.values())).all()
