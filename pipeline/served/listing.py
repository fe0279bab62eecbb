"""The versions of a served folder as a table."""

from pathlib import Path
from typing import Any

from pipeline.served.records import origin_of, read_rollbacks, withdrawn_by
from pipeline.served.versions import last_span
from serving.server.models.config import find_versions
from transforms.errors import InputError
from transforms.spans.days import date_of


def version_rows(served: Path) -> list[dict[str, Any]]:
    """What there is to know of each version, newest first.

    Args:
        served: the folder that a server watches.

    Returns:
        `version`; `day`, the last that it was trained on, None without `logs.spans`; `copy_of`,
        the version that a rollback copied, or None; `withdrawn`; and `reason`, of the rollback that
        made or withdrew it.

    Raises:
        InputError: if there is no such folder, or its list of rollbacks is not one.
    """
    if not served.is_dir():
        raise InputError(f"{served}: must be a folder of numbered versions")
    rollbacks = read_rollbacks(served)
    withdrawn = withdrawn_by(rollbacks)
    rows = []
    for version, folder in sorted(find_versions(served).items(), reverse=True):
        origin, span = origin_of(version, rollbacks), last_span(folder)
        about = [one for one in rollbacks if version in (one.version, one.served)]
        rows.append(
            {
                "version": version,
                "day": None if span is None else date_of(span).isoformat(),
                "copy_of": None if origin == version else origin,
                "withdrawn": origin in withdrawn,
                "reason": about[-1].reason if about else "",
            }
        )
    return rows
