"""A whole ranker with each kind of gate: it trains, says what it uses and exports."""

import json

import numpy as np
import pytest
import tensorflow as tf

from trainer.config import Training
from trainer.dataset import read_batches
from trainer.export.save import MANIFEST_FILE, make_manifest, save_ranker
from trainer.gates.registry import parse_gate
from trainer.model.options import Model
from trainer.train import train

pytestmark = pytest.mark.slow


def train_with(trained, folder, epochs=1, learning_rate=0.001, **gate):
    """A short training with another gate."""
    config = trained.config.trainer_config("candidate").model_copy(
        update={
            "gate": parse_gate(gate),
            "model": Model(num_experts=4, expert_units=(8,), tower_units=(), cross_layers=0),
            "training": Training(
                batch_size=256, max_epochs=epochs, patience=1, learning_rate=learning_rate
            ),
        }
    )
    files = trained.files
    return train(config, trained.transform, files["train"], files["eval"], folder)


def serve(folder, examples):
    model = tf.saved_model.load(str(folder))
    outputs = model.signatures["serving_default"](examples=tf.constant(examples))
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.mark.parametrize(("units", "widths"), [(None, [8]), ((32, 6), [32, 6])])
def test_a_shared_bottom_trains_and_its_pruned_model_is_the_full_one(
    units, widths, trained, tmp_path
):
    ranker, record = train_with(trained, tmp_path / "run", kind="shared_bottom", units=units)
    assert record["num_experts"] == 1
    assert set(map(str, record["gate_weights"]["click"])) == {"[1.0]"}
    shapes = [layer.kernel.shape for layer in ranker.experts.layers]
    assert [shape[0] for shape in shapes] == [1] * len(widths), "one stack, no experts beside it"
    assert [shape[2] for shape in shapes] == widths
    for name in ("pruned", "full"):
        save_ranker(ranker, trained.transform, tmp_path / name, pruned=name == "pruned")
    manifest = json.loads((tmp_path / "pruned" / MANIFEST_FILE).read_text())
    assert (manifest["num_experts"], manifest["union"], manifest["skipped"]) == (1, [0], [])
    assert manifest["parameters"]["pruned"] == manifest["parameters"]["full"]
    assert parse_gate(manifest["trainer"]["gate"]).units == units
    pruned, full = (serve(tmp_path / n, trained.examples[:50]) for n in ("pruned", "full"))
    for task in pruned:
        np.testing.assert_allclose(pruned[task], full[task], atol=1e-5)


def test_a_balanced_per_example_gate_says_how_many_experts_live(trained, tmp_path):
    ranker, record = train_with(
        trained,
        tmp_path,
        epochs=30,
        learning_rate=0.05,
        kind="top_k",
        per_example=True,
        experts_per_task=1,
        balance={"kind": "relative"},
    )
    epoch = record["epochs"][record["best_epoch"] - 1]
    assert 1 <= epoch["val_living_experts"] <= 4
    assert record["best_epoch"] < len(record["epochs"]), "or the last epoch would do as well"
    assert float(ranker.gate.balance.steps) * len(record["epochs"]) == (
        record["total_steps"] * record["best_epoch"]
    )
    assert record["gate_weights"] == {task: [] for task in ranker.tasks}
    shares = np.array(list(record["importance"].values()))  # [T, n], of the epoch that was kept
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    living = (shares > 0.01 / 4).sum(axis=1).mean()
    variation = (shares.std(axis=1) / shares.mean(axis=1)).mean()
    assert living == pytest.approx(epoch["val_living_experts"], abs=1e-5)
    assert variation == pytest.approx(epoch["val_importance_cv"], abs=1e-4)


@pytest.mark.parametrize("router", ["skip", "balanced"])
def test_a_sampled_gate_learns_through_the_objective_and_serves_one_expert(
    router, trained, tmp_path
):
    ranker, record = train_with(trained, tmp_path / "run", kind="sampled", router=router)
    assert np.isfinite(record["epochs"][-1]["val_loss"])
    # It starts at 0.001, and only the objective's gradient moves it.
    assert np.abs(ranker.gate.logits.kernel).max() > 0.005
    save_ranker(ranker, trained.transform, tmp_path / "model", pruned=True)
    model = (tmp_path / "model" / "saved_model.pb").read_bytes()
    assert b"PyFunc" not in model, "the router stays at home"
    served = serve(tmp_path / "model", trained.examples[2500:])
    (batch,) = read_batches(trained.files["eval"], trained.transform, batch_size=500)
    output = ranker(batch)
    largest = tf.reduce_max(output.gate_weights, axis=-1)
    np.testing.assert_allclose(largest, 1.0, rtol=1e-6)
    assert (tf.math.count_nonzero(output.gate_weights, axis=-1) == 1).numpy().all()
    for name, logits in zip(ranker.tasks, output.logits, strict=True):
        expected = logits if name == "watch" else tf.sigmoid(logits)
        np.testing.assert_allclose(np.sort(served[name]), np.sort(expected), atol=1e-5)


@pytest.mark.parametrize("kind", ["gumbel_softmax", "dselect_k_annealed", "noisy_top_k"])
def test_the_other_gates_train_and_say_what_they_use(kind, trained, tmp_path):
    options = {"steps": 5} if kind == "dselect_k_annealed" else {}
    ranker, record = train_with(trained, tmp_path, kind=kind, **options)
    assert np.isfinite(record["epochs"][-1]["val_loss"])
    assert bool(record["importance"]) == ranker.gate.per_example
    assert json.loads(json.dumps(record))["gate"]["kind"] == kind
    manifest = make_manifest(ranker, [])
    assert sorted(manifest["union"] + manifest["skipped"]) == [0, 1, 2, 3]
    if kind == "dselect_k_annealed":
        assert int(ranker.gate.tau.step) == record["total_steps"]
        assert all(step <= 6 for step in record["converged_step"].values())
        assert all(len(task["experts"]) <= 2 for task in manifest["tasks"].values())
