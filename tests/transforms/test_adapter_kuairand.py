"""KuaiRand's official files."""

import gzip
from pathlib import Path

import pytest
from ingest_inputs import make_config
from ingest_runs import ingest, read_dead_letters, read_examples

from transforms.errors import InputError
from transforms.ingest.make_plan import make_plan

LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    "is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,"
    "is_profile_enter,is_rand,tab\n"
)
# 2022-04-25 00:59:59.999 in China is still Sunday the 24th in UTC.
MIDNIGHT = 1_650_819_599_999
ROWS = [
    f"7,1,20220425,0,{MIDNIGHT},1,0,0,0,0,0,1,61802,49866,0,0,0,0,1",
    "8,2,20220425,100,1650820000000,0,0,0,0,0,0,0,0,7000,0,0,0,0,6",
    # The same impression once more, word for word, and once with a longer play time.
    "8,3,20220425,100,1650820000001,1,0,0,0,0,0,0,1000,7000,0,0,0,0,6",
    "8,3,20220425,100,1650820000001,1,0,0,0,0,0,0,1000,7000,0,0,0,0,6",
    "8,3,20220425,200,1650820000001,1,0,0,0,0,0,0,2000,7000,0,0,0,0,6",
    # A user and a video that the other files do not know.
    "99,98,20220426,900,1650934800000,0,0,0,0,0,0,0,5,7000,0,0,0,0,2",
    "7,2,20220426,900,soon,0,0,0,0,0,0,0,5,7000,0,0,0,0,2",
]
USERS = 'user_id,user_active_degree,fans_user_num_range\n7,full_active,"[100,1k)"\n8,UNKNOWN,0\n'
VIDEOS = (
    "video_id,author_id,video_type,upload_dt,video_duration,tag\n"
    '1,701,NORMAL,2022-04-10,49866.0,"20,43"\n2,702,AD,,,\n3,703,NORMAL,2022-04-26,7000.0,8\n'
)

FEATURES = {
    "user_active_degree": {"of": "user", "kind": "categorical"},
    "fans": {"of": "user", "kind": "categorical", "column": "fans_user_num_range"},
    "tag": {"of": "item", "kind": "categorical", "multivalued": True, "separator": ","},
    "video_duration": {"of": "item", "kind": "numeric"},
    "video_age_days": {"of": "item", "kind": "numeric"},
    "hour": {"of": "context", "kind": "categorical"},
    "weekday": {"of": "context", "kind": "numeric"},
    "tab": {"of": "context", "kind": "categorical"},
}
TASKS = {
    "click": {"kind": "classification", "group": "engagement", "label": {"event": "is_click"}},
    "hate": {"kind": "classification", "group": "satisfaction", "label": {"event": "is_hate"}},
    "play_time": {
        "kind": "regression",
        "group": "engagement",
        "label": {"event": "play_time_ms", "aggregation": "max", "default": 0},
    },
}


def config(**sections):
    split = {"by": "time", "eval_fraction": 0.3}
    return make_config(TASKS, sections.get("features", FEATURES), adapter="kuairand", split=split)


def write_logs(home: Path) -> Path:
    folder = home / "logs" / "KuaiRand-Pure" / "data"
    folder.mkdir(parents=True)
    content = LOG + "\n".join(ROWS) + "\n"
    (folder / "log_standard_4_22_to_5_08_pure.csv").write_text(content)
    (folder / "log_random_4_22_to_5_08_pure.csv").write_text(LOG + ROWS[0] + "\n")
    (folder / "user_features_pure.csv.gz").write_bytes(gzip.compress(USERS.encode()))
    (folder / "video_features_basic_pure.csv").write_text(VIDEOS)
    (folder / "video_features_statistic_pure.csv").write_text("video_id\n")
    return home


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return write_logs(tmp_path)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return write_logs(tmp_path_factory.mktemp("kuairand"))


@pytest.fixture(scope="module")
def examples(home):
    counts = ingest(home, config())
    return counts, {row["request_id"][0].decode(): row for row in read_examples(home)}


def test_users_videos_and_time_are_joined_to_the_log(examples):
    _, rows = examples
    assert rows[f"7-{MIDNIGHT}"] == {
        "request_id": [f"7-{MIDNIGHT}".encode()],
        "user_id": [b"7"],
        "item_id": [b"1"],
        "timestamp": [MIDNIGHT],
        "user_active_degree": [b"full_active"],
        "fans": [b"[100,1k)"],
        "tag": [b"20", b"43"],
        "video_duration": [49866.0],
        "video_age_days": [pytest.approx(15 + 1 / 24, abs=1e-5)],
        "hour": [b"0"],
        "weekday": [0.0],
        "tab": [b"1"],
        "label_click": [1.0],
        "weight_click": [1.0],
        "label_hate": [0.0],
        "weight_hate": [1.0],
        "label_play_time": [61802.0],
        "weight_play_time": [1.0],
    }


def test_what_the_other_files_do_not_know_is_missing(examples):
    _, rows = examples
    stranger = rows["99-1650934800000"]
    assert stranger["label_play_time"] == [5.0]
    assert not {"user_active_degree", "fans", "tag", "video_age_days"} & stranger.keys()
    assert not {"tag", "video_duration", "video_age_days"} & rows["8-1650820000000"].keys()


def test_a_video_shown_before_its_upload_day_has_age_0(examples):
    assert examples[1]["8-1650820000001"]["video_age_days"] == [0.0]


def test_an_impression_that_the_log_has_thrice_is_one_example_with_the_longest_play(examples):
    counts, rows = examples
    assert counts.impressions.duplicates == 2
    assert rows["8-1650820000001"]["label_play_time"] == [2000.0]


def test_zeros_are_no_events_but_every_event_of_the_log_is_known(examples):
    counts, _ = examples
    assert counts.events == {
        **dict.fromkeys(["comment_stay_time", "is_comment", "is_follow", "is_forward"], 0),
        **{"is_click": 4, "is_hate": 0, "is_like": 0, "is_profile_enter": 0, "long_view": 1},
        **{"play_time_ms": 5, "profile_stay_time": 0},
    }
    assert counts.feedback.unused == 1
    assert counts.feedback.duplicates == 3


def test_a_broken_row_costs_its_impression_and_its_feedback(examples, home):
    counts, _ = examples
    assert counts.impressions.read == 7
    assert counts.impressions.dead == 1
    (letter,) = read_dead_letters(home)
    assert (letter["row"], letter["reason"], letter["text"]) == (8, "bad_timestamp", ROWS[-1])


def test_random_exposure_is_not_read(logs):
    plan = make_plan(config(), str(logs / "logs"))
    assert plan.sources == ("KuaiRand-Pure/data/log_standard_4_22_to_5_08_pure.csv",)


def test_files_of_two_variants_are_refused(logs):
    (logs / "logs" / "log_standard_4_08_to_4_21_1k.csv").write_text(LOG)
    with pytest.raises(InputError, match=r"\['1k', 'pure'\]"):
        make_plan(config(), str(logs / "logs"))


def test_a_folder_without_a_standard_log_is_refused(tmp_path):
    (tmp_path / "user_features_pure.csv").write_text(USERS)
    with pytest.raises(InputError, match="must hold KuaiRand's log_standard"):
        make_plan(config(), str(tmp_path))


def test_a_column_of_no_file_is_refused_with_the_derived_ones_listed(logs):
    features = {"mood": {"of": "user", "kind": "categorical"}}
    with pytest.raises(InputError, match=r"`mood`.*'video_age_days'"):
        make_plan(config(features=features), str(logs / "logs"))


def test_a_broken_row_of_the_videos_is_an_error_with_its_line(logs):
    path = logs / "logs" / "KuaiRand-Pure" / "data" / "video_features_basic_pure.csv"
    path.write_text(VIDEOS + "4,5\n")
    with pytest.raises(InputError, match=r"basic_pure\.csv, line 5: a row must have 6 values"):
        ingest(logs, config())


SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "kuairand"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs KuaiRand's files beside the project")
def test_the_published_sample_balances_and_its_duplicates_are_counted(tmp_path):
    (tmp_path / "logs").symlink_to(SHARED)
    counts = ingest(tmp_path, config())
    assert counts.impressions.model_dump() == {
        **{"read": 94_784, "examples": 91_805, "duplicates": 2_979, "dead": 0},
    }
    assert counts.feedback.dead == 0
    assert counts.missing["user_active_degree"] == 0
    assert counts.missing["video_age_days"] == 0
