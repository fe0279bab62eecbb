"""MovieLens' official files and RecBole's copies."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from ingest_inputs import make_config
from ingest_runs import ingest, read_dead_letters, read_examples

from transforms.errors import InputError
from transforms.ingest.adapters.negatives import sample_negatives
from transforms.ingest.make_plan import make_plan

CATEGORICAL = {"kind": "categorical"}
FEATURES = {
    "age": {"of": "user", "kind": "numeric"},
    **{name: {"of": "user", **CATEGORICAL} for name in ("gender", "occupation", "zip_code")},
    **{name: {"of": "item", **CATEGORICAL} for name in ("title", "release_year")},
    "genres": {"of": "item", "multivalued": True, **CATEGORICAL},
}
TASKS = {
    "watch": {"kind": "classification", "group": "engagement", "label": {"event": "watch"}},
    "rating": {
        "kind": "regression",
        "group": "satisfaction",
        "label": {"event": "rating", "aggregation": "last"},
    },
}
# (user, movie, rating, second): user 1 rated 2 of 4 movies, user 2 rated 3 of them.
RATINGS = [(1, 10, 5, 100), (1, 20, 3, 200), (2, 10, 1, 300), (2, 20, 2, 300), (2, 30, 4, 400)]
TITLES = {10: "Léon", 20: 'Best of "Best", The', 30: "Seven", 40: "Ace: Ventura"}
FLAGS = "|".join("0" * 3 + "1" + "0" + "1" + "0" * 13)  # Animation and Comedy


def write_ml_100k(folder: Path) -> None:
    rows = "".join("\t".join(map(str, row)) + "\n" for row in RATINGS)
    (folder / "u.data").write_text(rows)
    movies = (f"{n}|{t} (1994)|01-Jan-1994||http://x|{FLAGS}\n" for n, t in TITLES.items())
    (folder / "u.item").write_bytes("".join(movies).encode("latin-1"))
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|V3N4P\n")


def write_ml_1m(folder: Path) -> None:
    rows = "".join("::".join(map(str, row)) + "\n" for row in RATINGS)
    (folder / "ratings.dat").write_text(rows)
    movies = (f"{n}::{t} (1994)::Animation|Comedy\n" for n, t in TITLES.items())
    (folder / "movies.dat").write_bytes("".join(movies).encode("latin-1"))
    (folder / "users.dat").write_text("1::M::24::technician::85711\n2::F::53::other::V3N4P\n")


def write_recbole(folder: Path) -> None:
    rows = "".join("\t".join(map(str, row)) + "\n" for row in RATINGS)
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (folder / "ml-100k.inter").write_text(header + rows)
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    movies = (f"{n}\t{t}\t1994\tAnimation Comedy\n" for n, t in TITLES.items())
    (folder / "ml-100k.item").write_text(header + "".join(movies))
    header = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    people = "1\t24\tM\ttechnician\t85711\n2\t53\tF\tother\tV3N4P\n"
    (folder / "ml-100k.user").write_text(header + people)


def config(**logs):
    return make_config(TASKS, FEATURES, adapter="movielens", **logs)


@pytest.fixture(params=[write_ml_100k, write_ml_1m, write_recbole])
def logs(request, tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "ml"
    folder.mkdir(parents=True)
    request.param(folder)
    return tmp_path


def test_each_form_of_the_files_gives_the_same_examples(logs):
    counts = ingest(logs, config())
    rows = {(r["request_id"][0].decode(), r["item_id"][0]): r for r in read_examples(logs)}
    assert rows["1-100", b"10"] == {
        "request_id": [b"1-100"],
        "user_id": [b"1"],
        "item_id": [b"10"],
        "timestamp": [100_000],
        "age": [24.0],
        "gender": [b"M"],
        "occupation": [b"technician"],
        "zip_code": [b"85711"],
        "title": ["Léon".encode()],
        "release_year": [b"1994"],
        "genres": [b"Animation", b"Comedy"],
        "label_watch": [1.0],
        "weight_watch": [1.0],
        "label_rating": [5.0],
        "weight_rating": [1.0],
    }
    assert rows["2-300", b"20"]["title"] == [b'Best of "Best", The']
    # User 1 gets both unrated movies; user 2 the only one, at its first rating.
    drawn = {key: row for key, row in rows.items() if not row["label_watch"][0]}
    assert sorted((row["user_id"][0], row["item_id"][0]) for row in drawn.values()) == [
        *((b"1", b"30"), (b"1", b"40"), (b"2", b"40")),
    ]
    assert all(row["weight_rating"] == [0.0] for row in drawn.values())
    assert all("title" in row and "age" in row for row in drawn.values())
    assert counts.impressions.read == 8
    assert counts.events == {"rating": 5, "watch": 5}


def test_a_broken_rating_is_a_dead_letter(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    write_ml_100k(folder)
    with (folder / "u.data").open("a") as file:
        file.write("1\t40\tgood\t500\n1\t30\n\t30\t3\t600\n")
    ingest(tmp_path, config())
    reasons = [(row["row"], row["reason"]) for row in read_dead_letters(tmp_path)]
    assert reasons == [(6, "wrong_type"), (7, "too_few_values"), (8, "missing_key")]


def test_two_files_of_ratings_are_refused(tmp_path):
    write_ml_100k(tmp_path)
    write_ml_1m(tmp_path)
    with pytest.raises(InputError, match=r"one file of ratings.*\['ratings.dat', 'u.data'\]"):
        make_plan(config(), str(tmp_path))


def test_ratings_without_users_and_movies_miss_all_features(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    write_ml_100k(folder)
    (folder / "u.item").unlink()
    (folder / "u.user").unlink()
    counts = ingest(tmp_path, config())
    assert counts.missing["age"] == counts.missing["title"] == counts.impressions.examples


def sample(pairs, known=()):
    users = pa.array([user for user, _ in pairs], pa.string())
    items = pa.array([item for _, item in pairs], pa.string())
    order = np.arange(len(pairs))
    drawn = sample_negatives(users, items, order, order + 2, pa.array(known, pa.string()))
    places = drawn.of_lines(order + 2)
    return [drawn.items[place].as_py() if place >= 0 else None for place in places.tolist()]


def test_negatives_are_unrated_and_each_is_drawn_once_a_user():
    random = np.random.default_rng(1)
    pairs = {(f"u{random.integers(600)}", f"i{random.integers(40)}") for _ in range(5000)}
    pairs = sorted(pairs)
    drawn = sample(pairs)
    for user in {user for user, _ in pairs}:
        rated = {item for owner, item in pairs if owner == user}
        got = [item for (owner, _), item in zip(pairs, drawn, strict=True) if owner == user]
        real = [item for item in got if item]
        assert len(set(real)) == len(real) == min(len(rated), 40 - len(rated))
        assert not rated & set(real)
        assert got[len(real) :] == [None] * (len(got) - len(real))


def test_negatives_do_not_depend_on_the_other_users():
    pairs = [("u1", "i1"), ("u1", "i2"), ("u2", "i3")]
    known = [f"i{n}" for n in range(100)]
    assert sample(pairs, known)[:2] == sample(pairs[:2], known)


def test_every_item_is_drawn_about_as_often_as_another():
    pairs = [(f"u{n}", "seen") for n in range(10_000)]
    counts = np.unique(sample(pairs, [f"i{n}" for n in range(10)]), return_counts=True)[1]
    assert len(counts) == 10
    assert counts.min() > 850
    assert counts.max() < 1150


def test_a_user_who_rated_everything_gets_nothing():
    assert sample([("u1", "i1"), ("u1", "i2")]) == [None, None]


SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ml-100k"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ml-100k beside the project")
def test_ml_100k_has_one_negative_for_each_rating(tmp_path):
    (tmp_path / "logs").symlink_to(SHARED)
    counts = ingest(tmp_path, config())
    assert counts.impressions.examples == 200_000
    assert sum(split.positives for split in counts.tasks["watch"].values()) == 100_000
    assert sum(split.examples for split in counts.tasks["rating"].values()) == 100_000
    assert not any(counts.missing.values())
