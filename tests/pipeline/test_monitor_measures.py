"""What monitoring measures, by numbers that a reader can do again."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.config import RankerConfig
from pipeline.evaluation.comparison import Estimate
from pipeline.monitoring.columns import ServedColumns, TaskColumns, label_window, waits
from pipeline.monitoring.days import WatchedDays, find_days
from pipeline.monitoring.distances import alarms_of, comparing_schema, feature_distances
from pipeline.monitoring.figures import Side
from pipeline.monitoring.histograms import with_common_bins
from pipeline.monitoring.options import Monitor, Quality
from pipeline.monitoring.quality import live_tasks, quality_alarms
from pipeline.monitoring.served import read_columns, served_log
from pipeline.monitoring.statistics import Statistics, drift, skew
from pipeline.monitoring.watch import labels_until
from pipeline.monitoring.worsening import is_off, is_worse, worsening
from tests.pipeline.monitor_inputs import (
    Day,
    end_feedback,
    make_config,
    monitor_document,
    statistics,
)
from transforms.errors import InputError, NotReadyError
from transforms.features import CategoricalFeature, NumericFeature
from transforms.spans.days import DAY, parse_span

HOUR = 3_600_000
CATEGORICAL, NUMERIC = ["category", "tags"], ["minutes", "shown"]
COLUMNS = {"category", "minutes", "tags", "shown", "prediction_click", "prediction_watch"}


def compare(before: Statistics, now: Statistics, kind: str = "skew", **monitor):
    """The distances of two sides, by feature."""
    config = make_config(monitor={"min_rows": 20, **monitor})
    served = served_log(config, COLUMNS)
    schema = comparing_schema(config, served)
    sides = skew(before, now, schema) if kind == "skew" else drift(now, before, schema)
    side = Side(kind, "3" if kind == "skew" else None, "then", "now")
    found = feature_distances(side, sides, before, now, config, served)
    return {one.feature: one for one in found}


def words(counts: dict[str, int]) -> list[str]:
    return [word for word, count in counts.items() for _ in range(count)]


@pytest.mark.parametrize("kind", ["skew", "drift"])
def test_the_distance_of_words_is_the_largest_difference_of_a_share(kind):
    before = statistics(category=words({"a": 50, "b": 30, "c": 20}))
    now = statistics(category=words({"a": 40, "b": 42, "d": 18}))
    one = compare(before, now, kind)["category"]
    assert (one.measure, one.value) == ("l_infinity", pytest.approx(0.20))  # c: 0.20 and 0.00
    assert one.is_far
    (alarm,) = alarms_of([one])
    assert (alarm.kind, alarm.place) == (kind, "category")
    assert alarm.message.endswith("The feature value with maximum difference is: c")


@pytest.mark.parametrize("kind", ["skew", "drift"])
def test_the_distance_of_numbers_is_the_jensen_shannon_divergence(kind):
    p, q = np.array([0.5, 0.5]), np.array([0.8, 0.2])
    mean = (p + q) / 2
    expected = 0.5 * (p * np.log2(p / mean)).sum() + 0.5 * (q * np.log2(q / mean)).sum()
    before, now = (
        statistics(minutes=[0.0] * int(100 * s[0]) + [1.0] * int(100 * s[1])) for s in (p, q)
    )
    one = compare(before, now, kind)["minutes"]
    assert (one.measure, one.value) == ("jensen_shannon", pytest.approx(expected, abs=0.004))
    assert not one.is_far, "0.07 is below 0.1"


def test_two_samples_of_the_same_counts_are_near_only_in_common_bins():
    random = np.random.default_rng(1)
    samples = [statistics(shown=random.poisson(1.0, 3000).tolist()) for _ in range(2)]
    schema = comparing_schema(make_config(), served_log(make_config(), COLUMNS))
    alike = skew(*samples, schema).measurements["shown"].value
    assert alike < 0.02
    moved = statistics(shown=random.poisson(2.0, 3000).tolist())
    assert skew(samples[0], moved, schema).measurements["shown"].value > 0.08


def test_common_bins_hold_what_the_histograms_held():
    before = statistics(minutes=np.linspace(0, 10, 101).tolist(), category=["a"] * 101)
    now = statistics(minutes=np.linspace(5, 25, 201).tolist(), category=["b"] * 201)
    sides = with_common_bins(before, now)
    buckets = [
        next(h for f in side.features if list(f.path.step) == ["minutes"]
             for h in f.num_stats.histograms if h.type == h.STANDARD).buckets
        for side in sides
    ]  # fmt: skip
    edges = [[(b.low_value, b.high_value) for b in side] for side in buckets]
    assert edges[0] == edges[1]
    assert [sum(b.sample_count for b in side) for side in buckets] == pytest.approx([101, 201])
    # Of 5 to 25 a quarter is up to 10, where the other side ends.
    below = sum(b.sample_count for b in buckets[1] if b.high_value <= 10.0)
    assert below / 201 == pytest.approx(0.25, abs=0.02)


def test_a_feature_may_have_a_threshold_of_its_own():
    before = statistics(category=words({"a": 50, "b": 50}))
    now = statistics(category=words({"a": 45, "b": 55}))
    assert not compare(before, now)["category"].is_far
    own = compare(before, now, skew={"features": {"category": 0.04}})["category"]
    assert own.is_far and own.threshold == 0.04
    assert not compare(before, now, drift={"features": {"category": 0.04}})["category"].is_far


def test_values_that_go_missing_are_an_alarm_and_so_is_a_feature_that_nobody_sends():
    before = statistics(category=["a"] * 100, minutes=[1.0] * 100)
    now = statistics(category=["a"] * 80 + [None] * 20)
    found = compare(before, now)
    alarms = {alarm.place: alarm for alarm in alarms_of(list(found.values()))}
    assert {place: alarm.kind for place, alarm in alarms.items()} == {
        "category": "missing",
        "minutes": "missing",
    }
    assert alarms["category"].message == "20.0% of now lack it, and 0.0% of then."
    assert found["minutes"].value is None and found["minutes"].missing_now == 1.0


def test_few_rows_raise_no_alarm():
    before = statistics(category=["a"] * 100)
    now = statistics(category=["b"] * 100)
    assert compare(before, now, min_rows=100)["category"].is_far
    one = compare(before, now, min_rows=101)["category"]
    assert one.value == 1.0 and not one.is_far and not one.is_missing


def test_logged_predictions_drift_too_but_have_no_training():
    before = statistics(prediction_click=[0.1] * 50 + [0.2] * 50)
    now = statistics(prediction_click=[0.8] * 50 + [0.9] * 50)
    assert compare(before, now, "drift")["prediction_click"].is_far
    assert "prediction_click" not in compare(before, now, "skew")


@pytest.mark.parametrize(
    ("live", "before", "worse", "bad"),
    [
        # sqrt(0.04^2 + 0.03^2) = 0.05 on each side of the drop
        ((0.70, 0.66, 0.74), (0.80, 0.77, 0.83), (0.10, 0.05, 0.15), True),
        ((0.75, 0.71, 0.79), (0.80, 0.77, 0.83), (0.05, 0.00, 0.10), False),
        ((0.82, 0.78, 0.86), (0.80, 0.77, 0.83), (-0.02, -0.07, 0.03), False),
    ],
)
def test_a_drop_of_auc_must_be_more_than_chance_explains(live, before, worse, bad):
    sides = (Estimate(value=v, lower=a, upper=b) for v, a, b in (live, before))
    found = worsening("auc", *sides)
    assert (found.value, found.lower, found.upper) == pytest.approx(worse)
    assert is_worse("auc", found, Quality(auc_drop=0.01)) is bad


def test_rmse_rises_by_a_share_of_itself():
    live = Estimate(value=1.2, lower=1.16, upper=1.24)
    before = Estimate(value=1.0, lower=1.0, upper=1.0)
    found = worsening("rmse", live, before)
    assert (found.value, found.lower) == pytest.approx((0.2, 0.16))
    assert is_worse("rmse", found, Quality(rmse_rise=0.15))
    assert not is_worse("rmse", found, Quality(rmse_rise=0.17))


@pytest.mark.parametrize("missing", [Estimate(value=None), Estimate(value=0.8), None])
def test_what_has_no_interval_is_never_worse(missing):
    whole = Estimate(value=0.5, lower=0.4, upper=0.6)
    assert worsening("auc", whole, missing) is None
    assert not is_worse("auc", None, Quality())


@pytest.mark.parametrize(
    ("lower", "upper", "off"),
    [(0.70, 0.79, True), (0.70, 0.81, False), (1.24, 1.40, False), (1.26, 1.40, True)],
)
def test_a_calibration_is_off_with_its_whole_interval(lower, upper, off):
    live = Estimate(value=1.0, lower=lower, upper=upper)
    assert is_off("calibration", live, Quality()) is off
    assert not is_off("log_loss", live, Quality())


def test_a_label_waits_until_its_window_and_that_of_its_mask_are_over():
    document = monitor_document()
    document["tasks"]["watch"]["mask"] = {"task": "click"}
    document["tasks"]["click"]["label"]["window"] = "3d"
    tasks = RankerConfig.model_validate(document).tasks
    assert label_window("watch", tasks) == label_window("click", tasks) == 3 * DAY
    assert waits(np.array([0, HOUR]), 3 * DAY, 3 * DAY).tolist() == [False, True]


def served_columns(rows: int = 2000, **changes) -> ServedColumns:
    """Half of the labels wait: those are all positive, as a day's first feedback is."""
    random = np.random.default_rng(1)
    predictions = random.uniform(0.05, 0.95, rows)
    labels = (random.random(rows) < predictions).astype(float)
    late = np.arange(rows) >= rows // 2
    labels[late] = 1.0
    task = {"labels": labels, "exists": np.ones(rows, bool), "waits": late,
            "predictions": predictions}  # fmt: skip
    return ServedColumns(
        users=np.arange(rows) % 100,
        versions=np.full(rows, "3"),
        is_first=np.arange(rows) % 2 == 0,
        tasks={"click": TaskColumns(**task | changes)},
    )


def measure(columns: ServedColumns, **changes):
    return live_tasks(columns, ["3"], make_config(**changes), (), {})


def test_labels_that_wait_are_neither_negatives_nor_positives():
    (task,) = measure(served_columns())
    assert (task.examples, task.waiting) == (1000, 1000)
    assert task.metrics["calibration"].live.value == pytest.approx(1.0, abs=0.05)
    everything = served_columns(waits=np.zeros(2000, bool))
    assert measure(everything)[0].metrics["calibration"].live.value < 0.8


def test_a_model_with_a_position_tower_is_held_against_what_was_shown_first():
    (task,) = measure(served_columns(), model={"position": {"max_position": 10}})
    assert (task.examples, task.not_first) == (500, 500)
    assert measure(served_columns())[0].not_first == 0


def test_few_labels_raise_no_alarm_and_say_so():
    tripled = served_columns().tasks["click"].predictions ** 3
    columns = served_columns(predictions=tripled)
    (alarm,) = quality_alarms(measure(columns))
    assert (alarm.kind, alarm.place, alarm.model_version) == ("calibration", "click", "3")
    (task,) = measure(columns, monitor={"quality": {"min_examples": 1001}})
    assert not list(quality_alarms([task]))
    assert "1000 labels are too few for an alarm: min_examples is 1001" in task.note
    quiet = measure(columns, monitor={"quality": {"unwatched": ["click"]}})
    assert not list(quality_alarms(quiet)) and quiet[0].metrics["calibration"].live.value < 0.8


def test_predictions_that_are_no_numbers_are_an_alarm_and_no_metric():
    predictions = served_columns().tasks["click"].predictions
    predictions[:2] = np.nan
    (task,) = measure(served_columns(predictions=predictions))
    (alarm,) = quality_alarms([task])
    assert alarm.kind == "predictions" and not task.metrics
    assert alarm.message == "2 logged predictions are no numbers."


def test_histories_are_read_as_they_were_served():
    config = make_config()
    log = served_log(config, COLUMNS - {"tags"} | {"color", "score", "position"})
    assert isinstance(log.data.features["shown"], NumericFeature)
    assert isinstance(log.data.features["model_version"], CategoricalFeature)
    assert (log.missing, log.new, log.predicted) == (("tags",), ("color",), ("click", "watch"))
    assert served_log(config, COLUMNS - {"prediction_watch"}).predicted == ("click",)


def test_a_task_whose_mask_was_not_logged_has_no_labels_nor_has_one_that_it_masks():
    document = monitor_document()
    document["tasks"]["click"]["mask"] = {"column": "asked", "is_in": ["1"]}
    document["tasks"]["watch"]["mask"] = {"task": "click"}
    config = RankerConfig.model_validate(document)
    log = served_log(config, COLUMNS)
    assert set(log.unlabelled) == {"click", "watch"} and "`asked`" in log.unlabelled["watch"]
    assert log.data.tasks["click"].mask is None
    assert not served_log(config, COLUMNS | {"asked"}).unlabelled


@pytest.fixture
def folder(tmp_path):
    for date in ("2026-01-05", "2026-01-06"):
        Day(date, rows=20).write(tmp_path)
    return tmp_path


def days(folder, config=None, last=None, **options):
    return find_days(
        config or make_config(), f"{folder}/requests", f"{folder}/logs", last, **options
    )


def test_the_newest_day_whose_labels_can_be_complete_is_looked_at(folder):
    with pytest.raises(NotReadyError, match="no day that was served is complete"):
        days(folder)
    end_feedback(folder, "2026-01-07")
    found = days(folder)
    assert found.first == found.last == parse_span("2026-01-05")
    assert set(found.source.files) == {
        "impressions/2026-01-05/a.parquet",
        "feedback/2026-01-05/a.parquet",
    }
    assert [name.split("/")[1] for name in found.source.borrowed] == ["2026-01-06", "2026-01-07"]
    two = make_config(monitor={"days": 2})
    assert days(folder, two, parse_span("2026-01-06")).first == parse_span("2026-01-05")


def test_a_day_that_is_not_there_or_not_complete_is_waited_for(folder):
    day = parse_span("2026-01-06")
    assert days(folder, last=day).last == day
    for last, options, message in (
        (day + 1, {}, "nothing was served on 2026-01-07"),
        (day, {"complete": True}, "feedback may come 2 days later"),
    ):
        with pytest.raises(NotReadyError, match=message) as error:
            days(folder, last=last, **options)
        assert error.value.exit_code == 7


def test_the_folder_above_the_models_is_no_request_log(folder):
    (folder / "requests").rename(folder / "small")
    (folder / "requests").mkdir()
    (folder / "small").rename(folder / "requests" / "small")
    with pytest.raises(InputError, match="must hold files like"):
        days(folder)


def test_a_request_log_is_parquet():
    with pytest.raises(InputError, match="a request log must be Parquet"):
        read_columns({"impressions/2026-01-05/a.csv": "a.csv"})


@pytest.mark.parametrize(
    ("last", "ends", "goes_on", "until"),
    [
        ("2026-01-07T12:00:00.000Z", None, False, "2026-01-07T12:00"),
        ("2026-01-07T12:00:00.000Z", "2026-01-08", False, "2026-01-07T12:00"),
        ("2099-01-07T12:00:00.000Z", "2026-01-08", False, "2026-01-08T00:00"),
        ("2099-01-07T12:00:00.000Z", None, False, "2026-02-01T00:00"),
        ("2026-01-07T12:00:00.000Z", "2026-01-08", True, "2026-01-08T00:00"),
        (None, "2026-01-08", True, "2026-01-08T00:00"),
        (None, "2026-01-08", False, None),
    ],
)
def test_labels_are_complete_up_to_the_latest_feedback_that_can_be_true(last, ends, goes_on, until):
    end = None if ends is None else parse_span(ends) * DAY
    watched = WatchedDays(0, 0, None, end, goes_on)
    now = datetime(2026, 2, 1, tzinfo=UTC)
    found = labels_until(SimpleNamespace(last_feedback=last), watched, now)
    if until is None:
        assert found is None
    else:
        assert datetime.fromtimestamp(found / 1000, UTC).isoformat()[:16] == until


@pytest.mark.parametrize(
    ("monitor", "rule"),
    [
        ({"skew": {"features": {"age": 0.1}}}, "monitor.skew.features: must be names of the YAML"),
        ({"drift": {"features": {"age": 0.1}}}, "monitor.drift.features: must be names"),
        ({"quality": {"unwatched": ["like"]}}, "monitor.quality.unwatched: must be names"),
        ({"retrain": True}, "`retrain` needs `requests`"),
        ({"skew": {"numeric": 1.5}}, "less than or equal to 1"),
        ({"cron": "daily"}, "should match pattern"),
    ],
)
def test_a_section_that_watches_what_is_not_there_is_refused(monitor, rule):
    with pytest.raises(ValueError, match=rule):
        make_config(monitor=monitor)


def test_what_is_watched_changes_no_result():
    watched = make_config(monitor={"requests": "/served", "retrain": True})
    assert watched.without_engine() == make_config().without_engine()
    assert watched.without_engine().monitor == Monitor()
