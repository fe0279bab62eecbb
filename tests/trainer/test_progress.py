"""When training stops, and whose weights it goes back to."""

from types import SimpleNamespace

import pytest

from trainer.progress import StopAtBest


def run(losses: list[float], converged_at: int | None, will_converge: bool) -> StopAtBest:
    """Lets epochs pass whose gate becomes binary at one of them, until training stops."""
    stop, epoch = StopAtBest(patience=2), 0
    gate = SimpleNamespace(
        will_converge=will_converge,
        converged=lambda: [converged_at is not None and epoch + 1 >= converged_at],
    )
    model = SimpleNamespace(gate=gate, get_weights=lambda: [epoch + 1], stop_training=False)
    stop.set_model(model)
    for epoch, loss in enumerate(losses):
        stop.on_epoch_end(epoch, {"loss": loss, "val_loss": loss})
        if model.stop_training:
            break
    return stop


@pytest.mark.parametrize(
    ("converged_at", "will_converge", "epochs", "best"),
    [(None, False, 4, 2), (None, True, 7, 2), (3, True, 5, 3), (6, True, 7, 7), (3, False, 5, 3)],
)
def test_patience_waits_for_a_gate_that_will_become_binary(
    converged_at, will_converge, epochs, best
):
    losses = [3.0, 1.0, 2.0, 2.5, 2.5, 2.5, 2.4]
    stop = run(losses, converged_at, will_converge)
    assert (len(stop.epochs), stop.best_epoch, stop.weights) == (epochs, best, [best])
