"""History features by Beam: from log files to examples, and on to the next logs."""

import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from history_inputs import (
    CONFIG,
    HOUR,
    TASKS,
    assert_equal,
    events_of_all_tasks,
    features_of,
    make_logs,
    slow_history,
)
from ingest_inputs import START, feedback, impression, make_config, write_parquet
from ingest_runs import digest, ingest, make_wide_pipeline, read_examples

from transforms.errors import InputError
from transforms.ingest.make_plan import make_plan
from transforms.ingest.pipeline import run_ingest


def random_logs(seed):
    """Two hundred impressions within six hours, and as much feedback."""
    rng = random.Random(seed)
    rows = [
        (rng.randrange(9), rng.randrange(9), rng.choice(["de", "cn", None]), rng.randrange(37))
        for _ in range(200)
    ]
    events = [
        (n, rng.choice(["click", "stars"]), rng.randrange(4), rng.randrange(16)) for n in range(200)
    ]
    return make_logs(rows, events_of_all_tasks(events))


def test_ingestion_gives_the_plain_history_and_the_same_bytes_on_several_workers(tmp_path):
    shown, events = random_logs(seed=1)
    counts = ingest(tmp_path, CONFIG, shown, events)
    examples = read_examples(tmp_path)
    assert_equal(features_of(examples), slow_history(shown, events))
    assert counts.missing["user_gap"] == sum("user_gap" not in row for row in examples) > 0
    assert sum(counts.splits.values()) == counts.impressions.examples == 200
    run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "wide"), make_wide_pipeline)
    assert digest(tmp_path / "out") == digest(tmp_path / "wide")


def test_the_next_logs_go_on_from_the_history(tmp_path):
    shown, events = random_logs(seed=2)
    early = [row for row in shown if row["timestamp"] < START + 3 * HOUR]
    late = [row for row in shown if row["timestamp"] >= START + 3 * HOUR]
    ingest(tmp_path / "first", CONFIG, early, events)
    ingest(tmp_path / "whole", CONFIG, shown, events)
    write_parquet(tmp_path / "logs" / "impressions.parquet", late)
    write_parquet(tmp_path / "logs" / "feedback.parquet", events)
    state = str(history_of(tmp_path / "first"))
    assert pc.any(pc.greater(pq.read_table(state)["known"], 0)).as_py(), "labels are to come"
    run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "out"), history=state)
    expected = slow_history(shown, events)
    found = features_of(read_examples(tmp_path))
    assert_equal(found, {row["request_id"]: expected[row["request_id"]] for row in late})
    carried, whole = (
        pq.read_table(history_of(folder)) for folder in (tmp_path, tmp_path / "whole")
    )
    assert carried.schema.metadata == whole.schema.metadata
    assert carried.equals(whole), "to the last bit"


def history_of(folder):
    return folder / "out" / "dead_letters" / "history.parquet"


def test_a_label_that_only_the_future_could_tell_stays_unknown(tmp_path):
    """Each user sees one item twice, the first click is the second one's, and never earlier."""
    rng = np.random.default_rng(0)
    shown, events, labels = [], [], {}
    for request in range(2000):
        user = request // 2
        shown.append(impression(request, user_id=f"u{user}", timestamp=START + 9000 * request))
        first = labels.get(user, rng.random() < 0.5)
        labels[user] = first
        if first:
            events.append(feedback(request, timestamp=START + 9000 * request))
    ingest(tmp_path, CONFIG, shown, [
        *events, feedback(0, event="stars", value=1.0)
    ])  # fmt: skip
    examples = read_examples(tmp_path)
    firsts = [e for e in examples if int(e["request_id"][0][1:]) % 2 == 0 and "user_click" in e]
    clicks, rates = (
        np.array([e[name][0] for e in firsts]) for name in ("label_click", "user_click")
    )
    gap = rates[clicks == 1].mean() - rates[clicks == 0].mean()
    assert abs(gap) < 0.01
    seconds = [e for e in examples if int(e["request_id"][0][1:]) % 2 == 1 and "user_click" in e]
    clicks, rates = (
        np.array([e[name][0] for e in seconds]) for name in ("label_click", "user_click")
    )
    assert rates[clicks == 1].mean() - rates[clicks == 0].mean() > 0.2


def test_impressions_of_one_request_do_not_see_each_other(tmp_path):
    shown = [impression(n, timestamp=START) for n in range(2)]
    shown += [impression(7, item, user_id="u1", timestamp=START + 2 * HOUR) for item in range(3)]
    events = [feedback(0), feedback(0, event="stars", value=1.0)]
    events += [feedback(7, item, timestamp=START + 2 * HOUR) for item in range(3)]
    ingest(tmp_path, CONFIG, shown, events)
    found = [row for row in read_examples(tmp_path) if row["request_id"] == [b"r7"]]
    assert [row["user_count"] for row in found] == [[1.0]] * 3
    assert len({row["user_click"][0] for row in found}) == 1


def test_impressions_up_to_the_end_of_a_history_ignore_it(tmp_path):
    shown = [impression(n, user_id="u", timestamp=START + n * HOUR) for n in range(20)]
    events = [feedback(n, timestamp=START + n * HOUR) for n in range(0, 20, 2)]
    events.append(feedback(0, event="stars", value=1.0))
    ingest(tmp_path, CONFIG, shown, events)
    alone = read_examples(tmp_path)
    state = tmp_path / "state.parquet"
    (tmp_path / "out" / "dead_letters" / "history.parquet").rename(state)
    run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "out"), history=str(state))
    assert read_examples(tmp_path) == alone
    again = pq.read_table(tmp_path / "out" / "dead_letters" / "history.parquet")
    assert again.equals(pq.read_table(state))


def test_a_file_that_is_no_history_is_refused(tmp_path):
    path = tmp_path / "history.parquet"
    path.write_bytes(b"no parquet")
    write_parquet(tmp_path / "logs" / "impressions.parquet", [impression(0)])
    with pytest.raises(InputError, match=r"history\.parquet: must be a history of format 3"):
        run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "out"), history=str(path))


def test_a_history_without_the_key_is_refused(tmp_path):
    shown, events = random_logs(seed=3)
    ingest(tmp_path, CONFIG, shown, events)
    by = {"of": "item", "kind": "history", "by": "country", "statistic": "count"}
    config = make_config(features={"same": by})
    with pytest.raises(InputError, match=r"must have the history by 'country'. It has \['item_id'"):
        run_ingest(
            config, str(tmp_path / "logs"), str(tmp_path / "o"), history=str(history_of(tmp_path))
        )


def broken(state, column, change):
    """A history with one column changed, in the rows that have words."""
    table = pq.read_table(state)
    rows = table.to_pylist()
    for row in rows:
        if row["words.click.item_id"]:
            row[column] = change(row[column])
    changed = pa.Table.from_pylist(rows, table.schema)
    pq.write_table(changed, state)
    return str(state)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("words.click.item_id", lambda words: [*words, "i"], r"must be there together"),
        ("words.stars.item_id", lambda words: ["i"] * 1025, r"at most 1024 words.*1025 words"),
        ("words.click.country", lambda words: ["x" * 1001] * len(words), r"1001 bytes"),
        ("words..item_id", lambda words: [None], r"`words..item_id` must have at most"),
        ("s_click", lambda _: float("nan"), r"`s_click` must be finite"),
        ("key", lambda _: None, r"`key` must be in every row"),
    ],
)
def test_rows_that_no_ingestion_wrote_are_refused(tmp_path, column, change, message):
    shown, events = random_logs(seed=3)
    ingest(tmp_path, CONFIG, shown, events)
    state = broken(history_of(tmp_path), column, change)
    with pytest.raises(InputError, match=message):
        run_ingest(CONFIG, str(tmp_path / "logs"), str(tmp_path / "o"), history=state)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"kind": "sequence", "column": "item_id", "task": "click", "length": 4},
         r"`words.click.country` by 'user_id', at least 4. Received: 3"),
        ({"kind": "history", "statistic": "count", "window": "1d"}, r"`3600000ms` by 'user_id'"),
        ({"kind": "sequence", "column": "age_word"}, r"`words..age_word` by 'user_id'"),
    ],
)  # fmt: skip
def test_a_history_that_knows_too_little_is_refused(tmp_path, feature, message):
    shown, events = random_logs(seed=3)
    ingest(tmp_path, CONFIG, shown, events)
    word = {"of": "user", "kind": "categorical", "column": "country"}
    more = {"age_word": word, "more": {"of": "user", "by": "user_id"} | feature}
    features = CONFIG.model_dump(mode="json")["features"] | more
    config = make_config(tasks=TASKS, features=features)
    with pytest.raises(InputError, match=message):
        run_ingest(
            config, str(tmp_path / "logs"), str(tmp_path / "o"), history=str(history_of(tmp_path))
        )


@pytest.mark.parametrize("max_rows", [7, 60])
def test_pieces_and_slices_change_no_example_and_no_history(tmp_path, monkeypatch, max_rows):
    """Partitions of requests, of seventy impressions, in pieces; of keys in slices of time."""
    shown, events = random_logs(seed=4)
    events += [events[0] | {"value": 1.0, "timestamp": START + n} for n in range(40)]
    events += [feedback(999), *events[:5]]
    counts = ingest(tmp_path / "whole", CONFIG, shown, events)

    def make_small(*arguments):
        return make_plan(*arguments)._replace(max_rows=max_rows)

    monkeypatch.setattr("transforms.ingest.pipeline.make_plan", make_small)
    small = ingest(tmp_path / "small", CONFIG, shown, events)
    assert small == counts
    whole, pieces = (
        {row["request_id"][0]: row for row in read_examples(tmp_path / folder)}
        for folder in ("whole", "small")
    )
    assert whole == pieces
    whole, pieces = (
        digest(tmp_path / folder / "out" / "dead_letters") for folder in ("whole", "small")
    )
    assert whole == pieces
    wide = tmp_path / "small" / "wide"
    run_ingest(CONFIG, str(tmp_path / "small" / "logs"), str(wide), make_wide_pipeline)
    assert digest(wide) == digest(tmp_path / "small" / "out")


def test_without_history_features_there_is_no_history(tmp_path):
    ingest(tmp_path, None, [impression(n) for n in range(20)])
    assert not history_of(tmp_path).exists()
