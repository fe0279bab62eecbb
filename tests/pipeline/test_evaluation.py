"""Rows in, figures out: the whole evaluation, its slices and its odd inputs."""

import json

import numpy as np
import pytest

from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.figures import Figures
from pipeline.evaluation.ranking import auc
from pipeline.evaluation.rows import EvalRows, TaskRows, encode
from pipeline.evaluation.slices import slices_of
from tests.pipeline.evaluation_inputs import make_config, make_rows
from transforms.errors import InputError


def replace_columns(rows, task, **columns):
    """The same rows with some columns of one task replaced."""
    found = rows.tasks[task]
    known = {name: getattr(found, name) for name in ("labels", "weights", "candidate", "baseline")}
    changed = TaskRows(**{**known, **columns})
    return EvalRows(rows.user_ids, {**rows.tasks, task: changed}, rows.slices)


def test_the_better_model_is_found_and_blessed():
    figures = evaluate(make_rows(), make_config())
    assert figures.verdict.blessed
    assert figures.tasks["click"].metrics["auc"].outcome == "better"
    assert figures.tasks["play_time"].primary.difference.upper < 0
    assert figures.mean["auc"].difference.value == pytest.approx(
        np.mean([figures.tasks[name].primary.difference.value for name in ("click", "like")])
    )
    assert figures.mean["auc"].difference.lower > 0


def test_the_worse_candidate_is_refused():
    rows = make_rows(candidate_noise=2.0, baseline_noise=0.0)
    figures = evaluate(rows, make_config())
    assert not figures.verdict.blessed
    assert {check.task for check in figures.verdict.failures} == {"click", "like", "play_time"}


def test_figures_survive_json():
    figures = evaluate(make_rows(), make_config(slices=["tab", "age"]))
    text = figures.model_dump_json()
    assert Figures.model_validate_json(text) == figures
    assert json.loads(text)["version"] == 1


def test_examples_of_weight_zero_do_not_count():
    rows = make_rows(masked=0.3)
    click = rows.tasks["click"]
    masked = click.weights == 0
    labels = np.where(masked, np.nan, click.labels)
    candidate = np.where(masked, np.nan, click.candidate)
    poisoned = replace_columns(rows, "click", labels=labels, candidate=candidate)
    config = make_config(slices=["tab"])
    assert evaluate(poisoned, config) == evaluate(rows, config)
    assert evaluate(rows, config).tasks["click"].examples == np.sum(~masked)


def test_a_task_without_positives_has_no_auc_but_the_run_goes_on():
    rows = make_rows()
    rows = replace_columns(rows, "like", labels=np.zeros(len(rows.user_ids)))
    figures = evaluate(rows, make_config())
    like = figures.tasks["like"]
    assert like.positives == 0
    assert like.metrics["auc"].candidate.value is None
    assert like.metrics["log_loss"].candidate.value is not None
    assert figures.verdict.blessed
    assert figures.verdict.warnings == (
        "task like: auc was not checked: it needs a positive and a negative example",
    )


def test_a_task_without_any_label_has_no_metric():
    rows = make_rows()
    rows = replace_columns(rows, "play_time", weights=np.zeros(len(rows.user_ids)))
    play = evaluate(rows, make_config()).tasks["play_time"]
    assert (play.examples, play.users, play.mean_label) == (0, 0, None)
    assert play.unmeasured["rmse"] == "no example has the label"
    assert play.calibration == {"candidate": (), "baseline": ()}


def test_predictions_that_are_not_finite_refuse_the_candidate():
    rows = make_rows()
    candidate = rows.tasks["click"].candidate.copy()
    candidate[np.flatnonzero(rows.tasks["click"].weights)[:3]] = np.nan
    figures = evaluate(replace_columns(rows, "click", candidate=candidate), make_config())
    click = figures.tasks["click"]
    assert click.broken_predictions == {"candidate": 3}
    assert click.metrics["auc"].candidate.value is None
    assert click.metrics["auc"].baseline.value is not None
    assert "task click: auc gain is undefined" in figures.verdict.summary


def test_slices_hold_the_metrics_of_their_rows():
    rows = make_rows()
    figures = evaluate(rows, make_config(slices=["tab"]))
    home = next(one for one in figures.slices if one.value == "home")
    click = rows.tasks["click"].take(rows.slices["tab"] == "home")
    expected = auc(click.labels, click.candidate, click.weights)
    assert home.tasks["click"]["auc"].candidate == pytest.approx(expected)
    assert sum(one.examples for one in figures.slices) == len(rows.user_ids)


def test_small_slices_are_left_out_and_the_largest_come_first():
    words = np.array(["rare"] * 2 + ["some"] * 5 + ["many"] * 9 + [None] * 6, dtype=object)
    found = slices_of("word", words, min_examples=3, max_slices=9)
    sizes = [("many", 9), ("(missing)", 6), ("some", 5)]
    assert [(one.value, len(one.rows)) for one in found] == sizes
    found = slices_of("word", words, min_examples=3, max_slices=2)
    assert [(one.value, len(one.rows)) for one in found] == sizes[:2]


def test_a_number_with_many_values_is_cut_into_quarters():
    numbers = np.append(np.arange(101.0), np.nan)
    found = slices_of("age", numbers, min_examples=1, max_slices=12)
    assert [one.value for one in found] == [
        "0 to under 25",
        "25 to under 50",
        "50 to under 75",
        "75 to 100",
        "(missing)",
    ]
    assert [len(one.rows) for one in found] == [25, 25, 25, 26, 1]
    assert np.array_equal(np.sort(np.concatenate([one.rows for one in found])), np.arange(102))


def test_a_number_with_few_values_is_not_cut():
    found = slices_of("age", np.array([3, 1, 3, 2]), min_examples=1, max_slices=12)
    assert [one.value for one in found] == ["3", "1", "2"]


def test_words_of_a_tensor_and_whole_numbers_read_well():
    words = np.array([b"home", b"", b"caf\xc3\xa9", b"\xff"], dtype=object)
    found = slices_of("tab", words, min_examples=1, max_slices=9)
    assert [one.value for one in found] == ["home", "(missing)", "café", "\ufffd"]
    floats = slices_of("age", np.array([3.0, 2.5], np.float32), min_examples=1, max_slices=9)
    assert [one.value for one in floats] == ["3", "2.5"]


@pytest.mark.parametrize(
    "numbers", [np.zeros(50), np.array([np.inf, *range(49)]), np.array([*[0.0] * 40, *range(20)])]
)
def test_uneven_numbers_still_fill_every_row_into_one_slice(numbers):
    found = slices_of("age", numbers, min_examples=1, max_slices=1000)
    cut = slices_of("age", numbers, min_examples=1, max_slices=6)
    assert sum(len(one.rows) for one in found) == len(numbers)
    assert sum(len(one.rows) for one in cut) == len(numbers)


def test_bytes_and_integers_name_users_too():
    assert encode(np.array([b"a", b"b", b"a"], dtype=object)) == (
        pytest.approx([0, 1, 0]),
        [b"a", b"b"],
    )
    assert encode(np.array([7, 7, 5]))[0].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"labels": np.zeros(3)}, "labels must have one value a row"),
        ({"weights": np.full(2000, -1.0)}, "weights must be finite and at least 0"),
        ({"labels": np.full(2000, np.inf)}, "labels must be finite"),
    ],
)
def test_rows_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        replace_columns(make_rows(), "click", **columns)


def test_an_empty_eval_split_is_refused():
    with pytest.raises(InputError, match="must have examples"):
        EvalRows(np.array([]), {}, {})
