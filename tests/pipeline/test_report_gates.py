"""What the report tells of gates: budget, convergence, and how a per-example gate is used."""

import numpy as np
import pytest

from pipeline.report.curves import balance_plots
from pipeline.report.gate_facts import describe_budget, gate_facts, trained_gate
from pipeline.report.gates import describe_gate
from pipeline.report.headline import headline
from pipeline.report.heatmap import gate_heatmap, importance_heatmap
from pipeline.report.importance import gate_importance
from pipeline.report.inputs import BaseUse, UnionTraining
from pipeline.report.render import render_report
from tests.pipeline.report_inputs import make_inputs, make_per_example_inputs


@pytest.fixture(scope="module")
def static():
    """A candidate with static gates and a serving budget of 4."""
    return make_inputs(num_rows=800)


@pytest.fixture(scope="module")
def per_example():
    """A candidate whose gates look at the example, 2 of 8 experts dead."""
    return make_per_example_inputs()


def facts_of(inputs):
    """Label -> the candidate's value and note, the baseline's value."""
    gates = {
        "candidate": trained_gate(inputs.candidate, inputs.export),
        "baseline": trained_gate(inputs.baseline, inputs.baseline_export),
    }
    return {
        fact.label: (
            fact.figures["candidate"].value,
            fact.figures["candidate"].note,
            fact.figures["baseline"].value,
        )
        for fact in gate_facts(gates)
    }


def with_steps(inputs, steps):
    """The same run whose tasks became binary at other steps."""
    converged = dict(zip(inputs.candidate.converged_step, steps, strict=True))
    candidate = inputs.candidate.model_copy(update={"converged_step": converged})
    return inputs.model_copy(update={"candidate": candidate})


def with_budget(inputs, budget):
    """The same run with another serving budget."""
    gate = inputs.candidate.gate | {"serving_budget": budget}
    candidate = inputs.candidate.model_copy(update={"gate": gate})
    return inputs.model_copy(update={"candidate": candidate})


def test_static_gates_are_told_by_union_budget_and_convergence(static):
    inputs = with_steps(static, [140, 280, 700, 420, 140, 140, 140, 280])
    facts = facts_of(inputs)
    assert facts["Experts that serving computes"] == ("4 of 8", "budget of 4 met", "8 of 8")
    assert facts["Experts a task uses"][:2] == ("1.9", "on the mean")
    assert facts["Training steps until binary"] == (
        "50% of 1,400",
        "20% a task on the mean",
        "never",
    )
    assert not [label for label in facts if "alive" in label or "CV" in label]


def test_conditional_training_is_told_with_its_speed(static):
    narrowed = UnionTraining(step=900, experts=4, before=31000.4, after=58000.0)
    candidate = static.candidate.model_copy(update={"union_training": narrowed})
    facts = facts_of(static.model_copy(update={"candidate": candidate}))
    assert facts["Experts trained after that"][:2] == (
        "4 of 8", "from step 900, 31,000 to 58,000 examples a second"
    )  # fmt: skip
    short = narrowed.model_copy(update={"before": None})
    candidate = static.candidate.model_copy(update={"union_training": short})
    facts = facts_of(static.model_copy(update={"candidate": candidate}))
    assert facts["Experts trained after that"][1] == "from step 900"
    assert "Experts trained after that" not in facts_of(static)


def test_a_warm_start_is_told_with_what_was_fresh(static):
    base = BaseUse(mapped=("a", "b", "c"), fresh=("towers/0/kernel",), dropped=("d",))
    candidate = static.candidate.model_copy(update={"base": base})
    facts = facts_of(static.model_copy(update={"candidate": candidate}))
    assert facts["Weights of the model before"][:2] == ("3 of 4", "fresh: towers/0/kernel")
    assert "Weights of the model before" not in facts_of(static)


def test_gates_that_never_became_binary_say_so(static):
    some = facts_of(with_steps(static, [140, None, 140, None, 140, 140, 140, 140]))
    assert some["Training steps until binary"][:2] == (
        "never for 2 of 8 tasks", "others 10% a task on the mean"
    )  # fmt: skip
    none = facts_of(with_steps(static, [None] * 8))
    assert none["Training steps until binary"][0] == "never"


@pytest.mark.parametrize(
    ("budget", "words"),
    [(4, "budget of 4 met"), (5, "budget of 5 met"), (3, "1 over the budget of 3")],
)
def test_a_budget_is_met_or_missed_by_a_number_of_experts(static, budget, words):
    inputs = with_budget(static, budget)
    assert words in describe_budget(trained_gate(inputs.candidate, inputs.export))
    tile = next(tile for tile in headline(inputs).tiles if tile.label == "Experts served")
    assert tile.note == f"skips 4, {describe_budget(trained_gate(inputs.candidate, inputs.export))}"


def test_without_a_budget_nothing_is_said_of_it(static):
    inputs = with_budget(static, None)
    assert describe_budget(trained_gate(inputs.candidate, inputs.export)) == ""
    tile = next(tile for tile in headline(inputs).tiles if tile.label == "Experts served")
    assert tile.note == "skips 4"
    assert "budget" not in render_report(inputs)


def test_each_task_says_after_what_share_of_the_steps_it_was_binary(static):
    inputs = with_steps(static, [140, None, 1399, 420, 140, 140, 140, 280])
    gate = trained_gate(inputs.candidate, inputs.export).matrix
    ends = {row.name: row.end for rows in gate_heatmap("", gate).groups.values() for row in rows}
    assert ends["click"] == "140 (10%)"
    assert ends["bad_click"] == "never"
    assert ends["long_watch"] == "1,399 (>99%)"


def test_per_example_gates_are_told_by_living_experts_and_their_variation(per_example):
    facts = facts_of(per_example)
    shares = np.array(list(per_example.candidate.importance.values()))
    variation = (shares.std(axis=1) / shares.mean(axis=1)).mean()
    assert facts["Experts alive, a task"] == ("6.0 of 8", "on the mean", "–")
    assert facts["CV of the importance"] == (f"{variation:.2f}", "0 for equal shares", "–")
    assert facts["Experts a task uses"] == ("2", "of each example", "2.0")
    assert facts["Experts that serving computes"][1] == "each example chooses its own"


def test_an_expert_lives_with_more_than_a_hundredth_of_a_fair_share(per_example):
    shares = [0.0, 0.00124, 0.00126, 0.9975, 0.0, 0.0, 0.0, 0.0]
    importance = dict.fromkeys(per_example.candidate.importance, tuple(shares))
    record = per_example.candidate.model_copy(update={"importance": importance})
    found = gate_importance(record)
    assert found.living[0].tolist() == [False, False, True, True, *[False] * 4]
    table = importance_heatmap("", found)
    assert [column.used_by for column in table.columns] == [0, 0, 8, 8, 0, 0, 0, 0]
    assert [column.unused for column in table.columns] == [True, True, False, False, *[True] * 4]
    assert table.unused == "dead"
    row = next(iter(table.groups.values()))[0]
    assert row.end.startswith("2, 2.6")
    assert [cell.text if cell else "" for cell in row.cells[:4]] == ["", "<.01", "<.01", "1.00"]


def test_a_record_that_is_torn_or_static_has_no_importance(static, per_example):
    assert gate_importance(None) is None
    assert gate_importance(static.candidate) is None
    torn = {task: row[:-1] for task, row in per_example.candidate.importance.items()}
    assert gate_importance(per_example.candidate.model_copy(update={"importance": torn})) is None


def test_the_use_of_experts_is_drawn_by_epoch_from_zero(static, per_example):
    records = {"candidate": per_example.candidate, "baseline": per_example.baseline}
    living, variation = balance_plots(records)
    assert living.title == "Experts alive, mean over tasks"
    assert living.y_ticks[0].label == variation.y_ticks[0].label == "0"
    assert [dot.title.split(",")[0] for dot in living.dots] == ["candidate: epoch 7"]
    assert balance_plots({"candidate": static.candidate, "baseline": None}) == []


def test_the_page_of_a_per_example_gate_shows_how_it_is_used(per_example):
    text = render_report(per_example)
    assert "Share of the weight of all validation examples: 6.0 of 8 experts live" in text
    assert "Per example: how the experts are used while training" in text
    assert "lives for" in text
    assert "Shared experts" not in text, "sets of experts are those of static gates"
    assert "Per example" not in render_report(make_inputs(num_rows=800))


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"kind": "shared_bottom", "units": None}, "Shared bottom, no experts"),
        ({"kind": "shared_bottom", "units": [64, 8]}, "Shared bottom of 64, 8 units, no experts"),
        ({"kind": "softmax", "per_example": True}, "Softmax, all 8 experts, per example"),
    ],
)
def test_a_gate_is_named_in_a_few_words(gate, words):
    assert describe_gate(gate, 8) == words


def test_experts_of_a_tasks_own_are_told_apart(static):
    gate = trained_gate(static.candidate, static.export).matrix
    owners = [None] * (gate.weights.shape[1] - 2) + ["click", "like"]
    table = gate_heatmap("", gate, owners)
    assert table.columns[-2].title.startswith("expert 6, of click alone: ")
    assert table.columns[0].title.startswith("expert 0: ")
    assert table.caption.endswith("The first 6 experts are shared, the others a task's own.")
    assert "own" not in gate_heatmap("", gate, [None] * 8).caption
