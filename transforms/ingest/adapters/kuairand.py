"""KuaiRand (Gao et al., CIKM 2022): the official CSV files, plain or gzipped.

One row of a log is an impression with its feedback. Columns of users and videos are
joined to it; three more are derived, all known when the video is shown: `hour` and
`weekday` (0 is Monday) in China's time zone, and `video_age_days` since its upload day.

The published logs hold some impressions twice, mostly word for word, a few with another
`play_time_ms`. They count as duplicates; an event that differs between them belongs to
the one impression, so labels of quantities should be `max`, not `sum`. Logs of random
exposure (`log_random_*`) come from another policy and are not read.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.config import KNOWN_AFTER
from transforms.errors import InputError
from transforms.examples import ITEM_ID, KEYS, REQUEST_ID, TIMESTAMP, USER_ID
from transforms.ingest.adapters.base import Convert, LogFile, require
from transforms.ingest.adapters.side_tables import SideTable, read_side_table, side_columns
from transforms.ingest.casting.numbers import parse_numbers
from transforms.ingest.reading.dialect import Dialect
from transforms.ingest.reading.raw import RawBatch
from transforms.logs import TimeUnit

_KINDS = ("log_standard", "user_features", "video_features_basic")
_FILE = re.compile(rf"({'|'.join(_KINDS)})_(?:.*_)?(pure|1k|27k)(?:_.*)?\.csv(?:\.gz)?")
_KEYS = ("user_id", "video_id", "time_ms")
_DERIVED = frozenset({"hour", "weekday", "video_age_days"})
_DIALECT = Dialect()
_CHINA = 8 * 3_600_000
_DAY = 86_400_000


@dataclass(frozen=True)
class KuaiRandLogs:
    """Reads `log_standard_*`, `user_features_*` and `video_features_basic_*`.

    The request is the user at one millisecond: `<user_id>-<time_ms>`.
    """

    logs: tuple[LogFile, ...]
    users: tuple[str, ...]
    videos: tuple[str, ...]
    unit: TimeUnit = "ms"
    events: tuple[str, ...] = tuple(sorted(KNOWN_AFTER["kuairand"]))

    @classmethod
    def find(cls, folder: str, files: Mapping[str, str]) -> "KuaiRandLogs":
        """Picks the files of one variant (pure, 1k or 27k) in a folder.

        Raises:
            InputError: if there is no standard log, or files of several variants.
        """
        found = _sort_files(folder, files)
        if not found["log_standard"]:
            raise InputError(
                f"{folder}: must hold KuaiRand's log_standard_*.csv or .csv.gz. "
                f"Received: {len(files)} files {list(files)[:5]}"
            )
        logs = (LogFile("impressions", r, files[r], _DIALECT) for r in found["log_standard"])
        users = tuple(files[relative] for relative in found["user_features"])
        return cls(tuple(logs), users, tuple(files[r] for r in found["video_features_basic"]))

    def offers(self, path: str, columns: frozenset[str]) -> frozenset[str]:
        require(path, columns, _KEYS)
        sides = side_columns(self.users, _DIALECT) | side_columns(self.videos, _DIALECT)
        derived = _DERIVED if "upload_dt" in sides else _DERIVED - {"video_age_days"}
        return (columns | sides | derived | {*KEYS}) - set(self.events)

    def reads(self, wanted: frozenset[str]) -> frozenset[str]:
        return wanted | {*_KEYS}

    def open(self, wanted: frozenset[str]) -> Convert:
        of_users = wanted & side_columns(self.users, _DIALECT) - {*_KEYS}
        of_videos = {*wanted, "upload_dt"} & side_columns(self.videos, _DIALECT) - {*_KEYS}
        users = read_side_table(self.users, _DIALECT, "user_id", of_users)
        videos = read_side_table(self.videos, _DIALECT, "video_id", of_videos)
        return _Join(users, videos)


def _sort_files(folder: str, files: Iterable[str]) -> dict[str, list[str]]:
    """Kind -> the files of that kind, all of one variant."""
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    variants = set()
    for relative in files:
        match = _FILE.fullmatch(PurePosixPath(relative).name.lower())
        if match:
            found[match[1]].append(relative)
            variants.add(match[2])
    if len(variants) > 1:
        raise InputError(
            f"{folder}: ids differ between KuaiRand's variants, so there must be files of one. "
            f"Received: {sorted(variants)}"
        )
    return found


@dataclass(frozen=True)
class _Join:
    users: SideTable
    videos: SideTable

    def __call__(self, batch: RawBatch) -> RawBatch:
        user, video, time = (batch.column(n) for n in ("user_id", "video_id", "time_ms"))
        columns = {
            **self.users.look_up(user),
            **self.videos.look_up(video),
            **batch.columns,
            REQUEST_ID: pc.binary_join_element_wise(user, time, "-"),
            USER_ID: user,
            ITEM_ID: video,
            TIMESTAMP: time,
        }
        columns |= _derive(time, columns.get("upload_dt"))
        return RawBatch(columns, batch.rows, batch.text, batch.refused)


def _derive(time: pa.Array, upload_day: pa.Array | None) -> dict[str, pa.Array]:
    milliseconds, _ = parse_numbers(time)
    local = pc.fill_null(pc.add(milliseconds, float(_CHINA)), float("nan")).to_numpy()
    day = np.floor(local / _DAY)
    derived = {
        "hour": _whole(np.floor(local % _DAY / 3_600_000)),
        # 1970-01-01 was a Thursday, day 3 of a week that begins with 0.
        "weekday": _whole((day + 3) % 7),
    }
    if upload_day is not None:
        days = pc.strptime(upload_day, format="%Y-%m-%d", unit="s", error_is_null=True)
        uploaded = pc.fill_null(pc.cast(pc.cast(days, pa.int64()), pa.float64()), float("nan"))
        age = local / _DAY - uploaded.to_numpy() / 86_400
        derived["video_age_days"] = pa.array(np.maximum(age, 0.0), pa.float64())
    return derived


def _whole(values: np.ndarray) -> pa.Array:
    return pc.cast(pa.array(values, from_pandas=True), pa.int64(), safe=False)
