"""The known answer agrees with the log files, read back by the demo preset's rules."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from pipeline.config import load_config
from transforms.errors import ConfigError, InputError
from transforms.simulator.responses import RESPONSES, TASKS
from transforms.simulator.simulate import simulate
from transforms.simulator.tally import ranking_auc
from transforms.simulator.truth import TaskTruth, best_predictions, read_truth

PRESET = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"
CONFIG = load_config(PRESET)
KEY = ["request_id", "item_id"]
CLASSIFICATION = [task for task, spec in TASKS.items() if spec.kind == "classification"]
REGRESSION = [task for task, spec in TASKS.items() if spec.kind == "regression"]


class Logs:
    """Simulated logs read back: distinct impressions, labels, best predictions."""

    def __init__(self, folder: Path, drift: float = 0.0) -> None:
        simulate(folder, 40_000, seed=11, drift=drift)
        self.folder = folder
        self.truth = read_truth(folder)
        table = pa.concat_tables(
            pq.read_table(path) for path in sorted((folder / "impressions").glob("*/*"))
        )
        impressions = table.to_pandas()[[*KEY, "timestamp"]]
        kept = ~impressions.duplicated(KEY)
        self.impressions = table.filter(pa.array(kept))
        self.best = best_predictions(self.impressions, self.truth)
        feedback = pd.concat(
            pd.read_parquet(path) for path in sorted((folder / "feedback").glob("*/*"))
        )
        joined = feedback.drop_duplicates().merge(
            impressions[kept], on=KEY, suffixes=("", "_shown")
        )
        joined["delay"] = joined.timestamp - joined.timestamp_shown
        self.labels = {
            name: make_label(impressions.loc[kept, KEY], joined, task.label)
            for name, task in CONFIG.tasks.items()
        }


def make_label(keys: pd.DataFrame, feedback: pd.DataFrame, label) -> np.ndarray:
    """A plain reading of `transforms.tasks.Label`; NaN where there is no label."""
    counted = feedback[(feedback.event == label.event) & (feedback.delay <= label.window)]
    groups = counted.sort_values("timestamp").groupby(KEY).value
    aggregate = {"any": groups.max, "sum": groups.sum, "last": groups.last}[label.aggregation]()
    value = keys.merge(aggregate.reset_index(), on=KEY, how="left").value
    if label.value_without_event is not None:
        value = value.fillna(label.value_without_event)
    if label.at_least is not None:
        value = (value >= label.at_least).astype(float)
    return (np.log1p(value) if label.transform == "log1p" else value).to_numpy()


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Logs:
    return Logs(tmp_path_factory.mktemp("simulator") / "logs")


@pytest.mark.parametrize("task", CLASSIFICATION)
def test_best_auc_is_that_of_the_logs_read_back(logs, task):
    truth, labels = logs.truth.tasks[task], logs.labels[task]
    assert truth.base_rate == labels.mean()
    assert truth.best_auc == pytest.approx(roc_auc_score(labels, logs.best[task]), abs=1e-9)
    first = best_predictions(logs.impressions, logs.truth, shown_first=True)[task]
    assert truth.auc_shown_first == pytest.approx(roc_auc_score(labels, first), abs=1e-9)


@pytest.mark.parametrize("task", REGRESSION)
def test_best_rmse_is_that_of_the_logs_read_back(logs, task):
    truth, labels = logs.truth.tasks[task], logs.labels[task]
    exists = ~np.isnan(labels)
    labels, best = labels[exists], logs.best[task][exists]
    assert truth.examples == exists.sum()
    assert truth.best_rmse == pytest.approx(np.sqrt(np.mean((labels - best) ** 2)), rel=1e-9)
    assert truth.rmse_of_mean == pytest.approx(labels.std(), rel=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_labels_agree_with_the_best_predictions_in_every_decile(logs, task):
    labels, best = logs.labels[task], logs.best[task]
    exists = ~np.isnan(labels)
    labels, best = labels[exists], best[exists]
    for rows in np.array_split(np.argsort(best), 10):
        error = labels[rows] - best[rows]
        assert abs(error.mean()) < 4.0 * error.std() / np.sqrt(len(rows)) + 1e-3


def test_best_aucs_leave_room_above_and_below(logs):
    for task in CLASSIFICATION:
        truth = logs.truth.tasks[task]
        assert 0.7 < truth.best_auc < 0.88
        assert 0.04 < truth.base_rate < 0.4
        assert truth.auc_shown_first <= truth.best_auc


def test_a_survey_is_answered_for_about_a_third(logs):
    assert logs.truth.tasks["survey"].examples / 40_000 == pytest.approx(1 / 3, abs=0.04)


def test_no_single_column_predicts_a_task_well(logs):
    """Only the interplay of user and item does: the world is no linear one."""
    frame = logs.impressions.to_pandas()
    for task in CLASSIFICATION:
        for column in ("age", "daily_minutes", "duration_seconds", "creator_followers"):
            auc = roc_auc_score(logs.labels[task], frame[column])
            assert abs(auc - 0.5) < 0.5 * (logs.truth.tasks[task].best_auc - 0.5)


def test_drift_weakens_factor_b_and_the_truth_knows(logs, tmp_path):
    drifting = Logs(tmp_path / "logs", drift=0.15)
    for task in ("long_watch", "like"):
        labels, best = drifting.labels[task], drifting.best[task]
        auc = drifting.truth.tasks[task].best_auc
        assert auc == pytest.approx(roc_auc_score(labels, best), abs=1e-9)
    gap = {
        task: logs.truth.tasks[task].best_auc - drifting.truth.tasks[task].best_auc
        for task in ("long_watch", "like")
    }
    assert gap["long_watch"] > 0.03 and gap["like"] == pytest.approx(0, abs=1e-9)


def test_the_sampled_auc_is_close_to_the_whole(logs, tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.simulator.tally.MAX_SAMPLE", 10_000)
    sampled = simulate(tmp_path / "logs", 40_000, seed=11)
    for task in CLASSIFICATION:
        assert sampled.tasks[task].base_rate == logs.truth.tasks[task].base_rate
        whole = logs.truth.tasks[task].best_auc
        assert sampled.tasks[task].best_auc == pytest.approx(whole, abs=0.03)
        assert sampled.tasks[task].best_auc != whole


@pytest.mark.parametrize("task", TASKS)
def test_the_demo_preset_counts_what_the_truth_assumes(task):
    spec, label = CONFIG.tasks[task], CONFIG.tasks[task].label
    assert set(CONFIG.tasks) == set(TASKS)
    assert (spec.kind, spec.group) == (TASKS[task].kind, TASKS[task].response.group)
    assert label.event == TASKS[task].events[-1]
    assert label.window == RESPONSES[label.event].window


def test_the_demo_preset_reads_every_simulated_column(logs):
    keys = {"request_id", "user_id", "item_id", "timestamp", "position"}
    assert set(CONFIG.features) == set(logs.impressions.column_names) - keys
    assert CONFIG.model.position is not None and not CONFIG.has_position


def test_share_of_best_is_0_for_chance_and_1_for_the_best(logs):
    for task in CLASSIFICATION:
        truth = logs.truth.tasks[task]
        assert truth.share_of_best(0.5) == 0.0
        assert truth.share_of_best(truth.best_auc) == 1.0
    for task in REGRESSION:
        truth = logs.truth.tasks[task]
        assert truth.share_of_best(truth.rmse_of_mean) == 0.0
        assert truth.share_of_best(truth.best_rmse) == 1.0


def test_share_of_best_is_none_where_the_best_is_unknown():
    kinds = {"classification": 0.7, "regression": 1.0}
    for kind, value in kinds.items():
        truth = TaskTruth(kind=kind, group="g", factors=("A",), examples=0)
        assert truth.share_of_best(value) is None


@given(
    labels=hnp.arrays(bool, 30),
    scores=hnp.arrays(float, 30, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])),
)
def test_ranking_auc_is_that_of_sklearn_with_ties(labels, scores):
    if labels.all() or not labels.any():
        assert ranking_auc(labels, scores) is None
    else:
        assert ranking_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_best_predictions_refuse_other_logs(logs):
    with pytest.raises(InputError, match=r"Absent: \['segment'\]"):
        best_predictions(logs.impressions.drop_columns("segment"), logs.truth)
    index = logs.impressions.column_names.index("device")
    watches = pa.array(["watch"] * len(logs.impressions))
    with pytest.raises(InputError, match="device: must hold the simulator's words"):
        best_predictions(logs.impressions.set_column(index, "device", watches), logs.truth)


def test_best_predictions_take_integer_timestamps_and_joined_tags(logs):
    names = logs.impressions.column_names
    stamps = logs.impressions["timestamp"].cast(pa.int64())
    tags = pa.array(["|".join(words) for words in logs.impressions["tags"].to_pylist()])
    table = logs.impressions.set_column(names.index("timestamp"), "timestamp", stamps)
    table = table.set_column(names.index("tags"), "tags", tags)
    again = best_predictions(table, logs.truth)
    for task in TASKS:
        np.testing.assert_array_equal(again[task], logs.best[task])


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00", "{} {}"])
def test_a_truth_that_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(InputError, match=r"truth.json: must be JSON"):
        read_truth(tmp_path)


def test_a_truth_of_another_shape_or_absent_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"truth.json: cannot be read: No such file"):
        read_truth(tmp_path)
    (tmp_path / "truth.json").write_text('{"seed": "x"}')
    with pytest.raises(ConfigError, match="seed"):
        read_truth(tmp_path)
