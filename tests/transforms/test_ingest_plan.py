"""What is refused before the first row is read."""

import gzip
import os
from pathlib import Path

import pytest
from ingest_inputs import (
    CLICK,
    FEATURES,
    feedback,
    impressions,
    make_config,
    write_csv,
    write_parquet,
)

from transforms.errors import InputError
from transforms.ingest.dead_letters.reasons import Reason
from transforms.ingest.make_plan import make_plan
from transforms.ingest.plan import Part
from transforms.listing import list_files
from transforms.storage import locate, write_whole


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of good logs."""
    folder = tmp_path / "logs"
    write_parquet(folder / "impressions" / "day" / "a.parquet", impressions(10), row_group_size=4)
    write_csv(folder / "impressions" / "b.csv", impressions(3))
    write_csv(folder / "feedback" / "c.csv", [feedback(0)])
    return folder


def refused(logs: Path, match: str, **config):
    with pytest.raises(InputError, match=match) as caught:
        make_plan(make_config(**config), str(logs))
    return str(caught.value)


def test_parquet_is_read_by_row_group_and_csv_whole(logs):
    plan = make_plan(make_config(), str(logs))
    assert plan.sources == ("feedback/c.csv", "impressions/b.csv", "impressions/day/a.parquet")
    assert plan.parts() == [Part(0, None), Part(1, None), Part(2, 0), Part(2, 1), Part(2, 2)]


def test_a_missing_folder_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "must be a folder")


def test_a_folder_without_impressions_says_what_it_looked_for(tmp_path):
    write_csv(tmp_path / "feedback.csv", [feedback(0)])
    (tmp_path / "impressions.txt").touch()
    refused(tmp_path, r"begins with `impressions`.*Received: 2 files \['feedback.csv'")


def test_labels_without_any_feedback_file_are_refused(tmp_path):
    write_parquet(tmp_path / "impressions.parquet", impressions(1))
    refused(tmp_path, r"begins with `feedback`.*labels of \['click'\]")
    optional = {**CLICK, "label": {"event": "click", "may_be_absent": True}}
    assert make_plan(make_config(tasks={"click": optional}), str(tmp_path)).parts()


def test_a_feature_that_no_file_has_is_named_with_the_columns_there_are(logs):
    features = {**FEATURES, "height": {"of": "user", "kind": "numeric", "column": "cm"}}
    message = refused(logs, r"features\.height: .* column `cm`", features=features)
    assert "['age', 'country', 'item_id'" in message


def test_a_column_that_only_some_files_have_is_enough(logs):
    write_csv(logs / "impressions" / "new.csv", impressions(3, cm=180))
    features = {"height": {"of": "user", "kind": "numeric", "column": "cm"}}
    assert make_plan(make_config(features=features), str(logs)).parts()


def test_a_mask_on_a_column_that_no_file_has_is_refused(logs):
    tasks = {"click": {**CLICK, "mask": {"column": "surface", "is_in": ["feed"]}}}
    refused(logs, r"tasks\.click\.mask: .* column `surface`", tasks=tasks)


def test_a_file_without_a_key_is_named(logs):
    rows = [{k: v for k, v in row.items() if k != "user_id"} for row in impressions(2)]
    write_csv(logs / "impressions" / "no_user.csv", rows)
    refused(logs, r"no_user\.csv: must have the column `user_id`")
    (logs / "impressions" / "no_user.csv").unlink()
    write_csv(logs / "feedback" / "no_event.csv", [{"request_id": 1, "item_id": 2, "timestamp": 3}])
    refused(logs, r"no_event\.csv: must have the column `event`")


def test_a_column_whose_type_cannot_be_read_is_refused(logs):
    write_parquet(logs / "impressions" / "odd.parquet", impressions(2, age={"years": 3}))
    refused(logs, r"odd\.parquet: `age` for features\.age must hold numbers.*struct")


def test_a_float_is_no_id(logs):
    write_parquet(logs / "impressions" / "odd.parquet", impressions(2, user_id=1.5))
    refused(logs, r"odd\.parquet: `user_id` must hold ids")


def test_a_file_that_is_no_parquet_is_named(logs):
    (logs / "impressions" / "fake.parquet").write_text("hello")
    refused(logs, r"fake\.parquet: must be a Parquet file")


def test_an_empty_file_and_one_that_is_no_gzip_are_named(logs):
    path = logs / "impressions" / "odd.csv.gz"
    path.write_bytes(gzip.compress(b""))
    refused(logs, r"odd\.csv\.gz: must begin with a header")
    path.write_bytes(b"request_id,user_id\n")
    refused(logs, r"odd\.csv\.gz: cannot be read")


def test_a_header_that_is_no_utf8_is_refused(logs):
    (logs / "impressions" / "odd.csv").write_bytes("request_id,größe\n".encode("latin-1"))
    refused(logs, r"odd\.csv: must be UTF-8")


@pytest.mark.parametrize("target", ["secret.csv", "."])
def test_a_link_out_of_the_folder_is_refused(logs, tmp_path, target):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").touch()
    (logs / "impressions" / "link.csv").symlink_to(outside / target)
    refused(logs, r"link\.csv: a link must not lead out")


def test_a_link_inside_the_folder_is_followed_and_markers_are_left_out(logs):
    (logs / "..data").mkdir()
    (logs / "..data" / "d.csv").write_bytes((logs / "feedback" / "c.csv").read_bytes())
    (logs / "feedback" / "d.csv").symlink_to(logs / "..data" / "d.csv")
    (logs / "_temporary").mkdir()
    write_csv(logs / "_temporary" / "impressions.csv", impressions(1))
    assert "feedback/d.csv" in list_files(str(logs))
    assert len(list_files(str(logs))) == 4


@pytest.mark.parametrize("target", ["nowhere.csv", "odd.csv"])
def test_a_link_to_nothing_or_to_itself_is_refused(logs, target):
    (logs / "impressions" / "odd.csv").symlink_to(target)
    refused(logs, r"odd\.csv: must be a file, or a link to one")


def test_a_pipe_is_not_waited_for(logs):
    os.mkfifo(logs / "impressions" / "odd.csv")
    refused(logs, r"odd\.csv: must be a file")


def test_a_name_that_is_no_text_is_refused(logs):
    name = os.fsdecode(b"day-\xff.csv")
    (logs / "impressions" / "b.csv").rename(logs / "impressions" / name)
    refused(logs, r"day-.*\.csv.*: a file's name must be UTF-8")


def test_a_uri_is_read_like_a_path(logs):
    assert make_plan(make_config(), f"file://{logs}").parts()
    assert locate(f"file://{logs}")[1] == str(logs)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file"
    with write_whole(str(path)) as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    with pytest.raises(RuntimeError), write_whole(str(path)) as stream:
        stream.write(b"other")
        raise RuntimeError
    assert path.read_bytes() == b"half"
    assert len(list(path.parent.iterdir())) == 1


def test_every_reason_has_a_sentence_and_a_code():
    assert {reason.value for reason in Reason} == {reason.name.lower() for reason in Reason}
    assert all(reason.sentence.endswith(".") for reason in Reason)
    uncounted = {reason.value for reason in Reason if not reason.counted}
    assert uncounted == {"feedback_without_impression", "repeated_header"}
