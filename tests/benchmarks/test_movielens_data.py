"""MovieLens as the experiments read it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments.movielens_data import draw_unrated, make_splits, read_ratings
from transforms.errors import InputError

HEADER = "user_id:token\titem_id:token\trating:float\n"


def write(folder: Path, *rows: str) -> Path:
    (folder / "ml.inter").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return folder


def some_ratings(folder: Path):
    """20 users of whom each rated 5 of 50 movies."""
    rows = (f"{user}\t{(7 * user + i) % 50}\t{1 + i}" for user in range(20) for i in range(5))
    return read_ratings(write(folder, *rows))


def test_both_forms_of_the_files_hold_the_same_ratings(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "ratings.dat").write_text("7::10::5::100\n7::20::3::200\n8::10::1::3\n")
    first = read_ratings(write(tmp_path / "a", "7\t10\t5", "7\t20\t3", "8\t10\t1"))
    second = read_ratings(tmp_path / "b")
    assert first.users.tolist() == second.users.tolist() == [0, 0, 1]
    assert first.items.tolist() == second.items.tolist() == [0, 1, 0]
    assert first.ratings.tolist() == second.ratings.tolist() == [5.0, 3.0, 1.0]
    assert first.num_users == first.num_items == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1\t2", "line 2: a row must have 3 values"),
        ("1\t2\tgood", "`rating` must be a number"),
        ("1\t2\t0", "must be finite and above 0. Received: 0"),
        ("1\t2\tnan", "must be finite and above 0. Received: nan"),
        ("1\t\t3", "every row must have a user, a movie and a rating"),
    ],
)
def test_a_row_that_is_no_rating_is_refused(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        read_ratings(write(tmp_path, row))


def test_a_file_without_ratings_is_refused(tmp_path):
    with pytest.raises(InputError, match="every row must have"):
        read_ratings(write(tmp_path))


def test_drawn_pairs_have_no_rating_and_come_once(tmp_path):
    ratings = some_ratings(tmp_path)
    users, items = draw_unrated(ratings, np.random.default_rng(3))
    drawn = set(zip(users.tolist(), items.tolist(), strict=True))
    assert len(drawn) == len(users) == len(ratings.ratings)
    assert not drawn & set(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True))
    assert users.max() < ratings.num_users and items.max() < ratings.num_items


def test_pairs_are_drawn_from_all_that_have_no_rating(tmp_path):
    ratings = read_ratings(write(tmp_path, "0\t0\t1", "0\t1\t1", "1\t1\t1", "1\t2\t1"))
    found = set()
    for seed in range(50):
        users, items = draw_unrated(ratings._replace(ratings=np.ones(1)), _rng(seed))
        found |= set(zip(users.tolist(), items.tolist(), strict=True))
    assert found == {(0, 2), (1, 0)}


def test_more_ratings_than_pairs_without_one_are_refused(tmp_path):
    ratings = read_ratings(write(tmp_path, "0\t0\t1", "0\t1\t1", "1\t1\t1"))
    with pytest.raises(InputError, match="Received: 1 of 4 pairs, 3 ratings"):
        draw_unrated(ratings, _rng(0))


def test_splits_are_80_10_10_of_all_pairs_and_follow_the_seed(tmp_path):
    ratings = some_ratings(tmp_path)
    splits = make_splits(ratings, 5)
    assert [len(split.users) for split in splits] == [160, 20, 20]
    pairs = [pair for s in splits for pair in zip(s.users.tolist(), s.items.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs) == 200
    assert sum(split.watched.sum() for split in splits) == 100
    again = make_splits(ratings, 5)
    assert all((s.items == a.items).all() for s, a in zip(splits, again, strict=True))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
