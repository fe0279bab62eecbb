"""Puts the last good version back, in the time that a server takes to load it."""

from datetime import UTC, datetime
from pathlib import Path

from pipeline.served.records import (
    Rollback,
    origin_of,
    read_rollbacks,
    withdrawn_by,
    write_rollbacks,
)
from pipeline.served.versions import add_version, changing, next_number
from serving.manifest.check import check_model
from serving.server.models.config import find_versions
from transforms.errors import InputError


def roll_back(
    served: Path, to: int | None = None, expected: int | None = None, reason: str = ""
) -> Rollback:
    """Makes an earlier version the newest again, under a new number.

    A server that serves the newest version loads it beside the one that it serves, and changes
    over without a failed request. Nothing is deleted. The versions after `to` are withdrawn: no
    later training begins from them. A withdrawn version may come back by `to`.

    Args:
        served: the folder that a server watches.
        to: the version to come back; by default the newest that was pushed before the served one
            and is not withdrawn.
        expected: the version that is the newest now: of two operators who roll back at once, the
            second is refused.
        reason: for those who look at it later.

    Raises:
        InputError: if there is no such version, its files are not those that were pushed, or
            another process holds the folder.
    """
    if not served.is_dir():
        raise InputError(f"{served}: must be a folder of numbered versions")
    with changing(served):
        versions, rollbacks = find_versions(served), read_rollbacks(served)
        if not versions:
            raise InputError(f"{served}: must hold a version")
        newest = max(versions)
        if expected not in (None, newest):
            raise InputError(f"{served}: the newest version must be {expected}. Received: {newest}")
        withdrawn = withdrawn_by(rollbacks)
        origins = {one: origin_of(one, rollbacks) for one in versions}
        if to is None:
            earlier = {o for o in origins.values() if o < origins[newest]} - withdrawn
            good = [one for one, origin in origins.items() if origin in earlier]
            if not good:
                raise InputError(f"{served}: has no good version before {newest}")
            to = max(good, key=lambda one: (origins[one], one))
        elif to not in versions:
            raise InputError(f"{served}: must hold version {to}. Received: {sorted(versions)}")
        elif origins[to] == origins[newest]:
            raise InputError(f"{served}: version {to} is served already, as {newest}")
        check_model(versions[to])
        withdrawn |= {origin for origin in origins.values() if origin > origins[to]}
        made = Rollback(
            at=datetime.now(UTC).replace(microsecond=0),
            served=newest,
            to=to,
            version=next_number(served),
            withdrawn=tuple(sorted(withdrawn - {origins[to]})),
            reason=reason,
        )
        # First: a rollback that is killed here has withdrawn, and can be asked for again.
        write_rollbacks(served, [*rollbacks, made])
        add_version(versions[to], served, made.version)
        return made
