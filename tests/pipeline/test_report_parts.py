"""The report's figures: gates, overlap, charts, shares, counts and the terminal's summary."""

import io

import numpy as np
import pytest
from rich.console import Console

from pipeline.evaluation.comparison import Estimate
from pipeline.report.calibration_plots import calibration_plots
from pipeline.report.comparison import forests
from pipeline.report.curves import loss_plot, task_plots
from pipeline.report.data_quality import data_quality
from pipeline.report.gates import gate_matrix, overlap
from pipeline.report.heatmap import gate_heatmap, overlap_heatmap
from pipeline.report.inputs import ReportInputs
from pipeline.report.numbers import bounds, moment, number, percent, signed
from pipeline.report.plot import Scale, nice, spread
from pipeline.report.slice_table import slice_tables
from pipeline.report.summary import print_summary, summarize
from pipeline.report.trajectories import trajectory_plots
from tests.pipeline.report_inputs import (
    DEMO_EXPERTS,
    DEMO_TASKS,
    make_inputs,
    make_per_example_inputs,
)


@pytest.fixture(scope="module")
def inputs():
    """A whole blessed run."""
    return make_inputs()


@pytest.fixture(scope="module")
def gate(inputs):
    """The candidate's gate."""
    return gate_matrix(inputs.candidate, inputs.export)


class RunOf:
    """A run whose report holds the given document."""

    def __init__(self, document):
        self._document = document

    def document(self, type_name, file):
        """The document, whoever asks."""
        assert (type_name, file) == ("gaterank.GateReport", "inputs.json")
        return self._document


def printed(inputs, width=80):
    """The summary as text."""
    console = Console(file=io.StringIO(), width=width)
    for part in summarize(inputs):
        console.print(part)
    return console.file.getvalue()


def test_exported_weights_go_before_recorded_ones(inputs, gate):
    expected = [inputs.export.tasks[task].weights for task in gate.tasks]
    np.testing.assert_allclose(gate.weights, expected)
    recorded = gate_matrix(inputs.candidate, None)
    last = [inputs.candidate.gate_weights[task][-1] for task in recorded.tasks]
    np.testing.assert_allclose(recorded.weights, last)
    assert gate_matrix(None, None) is None


def test_tasks_of_a_group_stand_together():
    tasks = {"a": ("classification", "x"), "b": ("classification", "y"), "c": ("regression", "x")}
    experts = {"a": (0,), "b": (1,), "c": (2,)}
    mixed = make_inputs(tasks=tasks, experts=experts, num_rows=400)
    gate = gate_matrix(mixed.candidate, mixed.export)
    assert gate.tasks == ("a", "c", "b")
    assert gate.groups == {"x": range(2), "y": range(2, 3)}
    assert gate.union == (0, 1, 2)


def test_jaccard_counts_common_experts(gate):
    found = overlap(gate)
    for i, one in enumerate(gate.tasks):
        for j, other in enumerate(gate.tasks):
            a, b = set(DEMO_EXPERTS[one]), set(DEMO_EXPERTS[other])
            assert found.matrix[i, j] == pytest.approx(len(a & b) / len(a | b))
    assert found.related > found.unrelated
    lower = [found.matrix[i, j] for i in range(4) for j in range(i)]
    lower += [found.matrix[i, j] for i in range(4, 8) for j in range(4, i)]
    assert found.related == pytest.approx(np.mean(lower))


def test_the_heatmap_marks_what_no_task_uses(gate):
    table = gate_heatmap("Candidate", gate)
    assert [column.label for column in table.columns if column.unused] == ["1", "3", "6", "7"]
    assert [column.used_by for column in table.columns] == [5, 0, 4, 0, 3, 3, 0, 0]
    share = next(row for rows in table.groups.values() for row in rows if row.name == "share")
    assert [cell.text if cell else "" for cell in share.cells] == ["", "", "1.00", *[""] * 5]
    assert not table.compact
    assert len(overlap_heatmap(gate, overlap(gate)).columns) == 7


def test_a_trajectory_marks_the_step_where_the_gate_became_binary(inputs):
    plots = trajectory_plots(inputs.candidate, tuple(DEMO_TASKS))
    assert [plot.title for plot in plots] == list(DEMO_TASKS)
    for plot in plots:
        step = inputs.candidate.converged_step[plot.title]
        width = plot.right - plot.left
        assert plot.rules[0].x == pytest.approx(plot.left + width * step / 1400, abs=0.1)
        assert {note.text for note in plot.notes} == {f"e{e}" for e in DEMO_EXPERTS[plot.title]}
    assert all(not plot.rules for plot in trajectory_plots(inputs.baseline, tuple(DEMO_TASKS)))


def test_a_torn_record_draws_no_trajectory(inputs):
    record = inputs.candidate.model_copy(update={"steps": inputs.candidate.steps[:-1]})
    assert trajectory_plots(record, tuple(DEMO_TASKS)) == []
    assert trajectory_plots(None, tuple(DEMO_TASKS)) == []


def test_lines_of_all_charts_share_a_budget(inputs):
    many = {f"t{i}": ("classification", "g") for i in range(200)}
    weights = next(iter(inputs.candidate.gate_weights.values()))
    record = inputs.candidate.model_copy(update={"gate_weights": dict.fromkeys(many, weights)})
    plots = trajectory_plots(record, tuple(many))
    points = sum(line.points.count(",") for plot in plots for line in plot.lines)
    assert len(plots) == 200
    assert points <= 40_000
    assert all(line.points.startswith("36,") for plot in plots for line in plot.lines)


def test_training_curves_mark_the_epoch_that_was_kept(inputs):
    records = {"candidate": inputs.candidate, "baseline": inputs.baseline}
    plot = loss_plot(records)
    assert len(plot.lines) == 4
    assert [dot.title.split(",")[0] for dot in plot.dots] == [
        "candidate: epoch 7",
        "baseline: epoch 7",
    ]
    titles = [plot.title for plot in task_plots(records, tuple(DEMO_TASKS))]
    assert titles[0] == "click: AUC"
    assert "survey: RMSE" in titles
    assert loss_plot({"candidate": None, "baseline": None}) is None


def test_a_forest_plot_puts_gains_right_of_zero_whatever_the_metric(inputs):
    auc, rmse = forests(inputs.figures, inputs.truth)
    assert (auc.better, rmse.better) == ("higher", "lower")
    for plot in (auc, rmse):
        assert plot.rows[-1].task == "mean"
        for row in plot.rows:
            left, width = row.bar
            assert plot.zero < left <= row.dot <= left + width + 0.1 <= 100.2
            assert row.outcome == "better"
    click = inputs.figures.tasks["click"].primary.candidate.value
    expected = (click - 0.5) / (inputs.truth.tasks["click"].best_auc - 0.5)
    assert auc.rows[0].share == pytest.approx(expected)


def test_calibration_charts_have_square_scales(inputs):
    for plot in calibration_plots(inputs.figures, tuple(DEMO_TASKS)):
        assert [tick.label for tick in plot.x_ticks] == [tick.label for tick in plot.y_ticks]
        assert len(plot.dots) == 20


def test_the_last_row_of_slices_is_the_whole_split(inputs):
    tables = slice_tables(inputs.figures)
    assert [table.feature for table in tables] == ["tab", "age"]
    value, rows, cells = tables[0].rows[-1]
    assert (value, rows) == ("all", "6,000")
    assert cells[0].candidate == number(inputs.figures.tasks["click"].primary.candidate.value, 3)


def test_counts_that_do_not_balance_are_shown(inputs):
    quality = data_quality(inputs.counts)
    assert [log.unaccounted for log in quality.balances] == [0, 0]
    torn = inputs.counts.impressions.model_copy(update={"read": 80_415})
    quality = data_quality(inputs.counts.model_copy(update={"impressions": torn}))
    assert quality.balances[0].unaccounted == 3
    assert quality.dead_letters[0].note.startswith("No impression has this request")
    assert [part.name for part in quality.missing] == ["curiosity", "quality"]


def test_the_summary_fits_eighty_columns_and_says_what_serving_skips(inputs):
    text = printed(inputs)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "Blessed and pushed as version 1795336959" in text
    assert "serving computes 4 of 8 experts and skips 1, 3, 6, 7" in text
    assert "42% fewer FLOPs" in text
    click = next(line for line in text.splitlines() if line.startswith("click"))
    primary = inputs.figures.tasks["click"].primary
    assert number(primary.candidate.value) in click
    assert bounds(primary.gain, digits=3) in click
    assert "share          2 (1.00)" in text
    assert "  budget of 4 met" in text


def test_the_summary_of_a_per_example_gate_says_how_many_experts_live():
    text = printed(make_per_example_inputs())
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "experts alive a task 6.0, CV of their importance 0." in text
    assert "budget" not in text


def test_the_summary_of_a_refused_or_broken_run():
    refused = make_inputs(refused=True, truth=None, export=None, num_rows=800)
    text = printed(refused)
    assert "Refused: nothing was pushed" in text
    assert "serving" not in text
    assert "Not evaluated" in printed(ReportInputs(name="empty"))


def test_names_are_no_markup_in_the_terminal():
    tasks = {"[red]task[/red]": ("classification", "g")}
    inputs = make_inputs(tasks=tasks, experts={"[red]task[/red]": (0,)}, num_rows=400)
    assert "[red]task[/red]" in printed(inputs)


def test_a_finished_run_prints_the_summary_of_its_report(inputs):
    console = Console(file=io.StringIO(), width=80)
    print_summary(RunOf(inputs.model_dump(mode="json")), console)
    assert console.file.getvalue() == printed(inputs)
    empty = Console(file=io.StringIO())
    print_summary(RunOf(None), empty)
    assert "no report" in empty.file.getvalue()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.02, 0.02, [-0.02, -0.01, 0.0, 0.01, 0.02]),
        (3.0, 3.0, [3.0]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert nice(low, high) == pytest.approx(expected)


def test_labels_are_moved_apart_but_stay_inside():
    moved = spread([90.0, 95.0, 100.0, 10.0], gap=11.0, low=0.0, high=100.0)
    assert moved == [78.0, 89.0, 100.0, 10.0]
    assert Scale(1.0, 1.0, 0.0, 10.0)(1.0) == 5.0


def test_numbers_never_print_nothing_as_a_number():
    assert number(None) == signed(None) == percent(None) == moment(None) == "–"
    assert number(-0.00001, 2) == "0.00"
    assert signed(0.00001, 2) == "0.00"
    assert percent(0.004) == "<1%"
    assert Estimate(value=None).lower is None
