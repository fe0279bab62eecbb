"""The one tree of errors that a user of gaterank can cause and mend.

Each class carries the exit code that the command line returns for it. Anything outside
this tree is a bug and is allowed to crash with its traceback.
"""

import errno
import os
from pathlib import Path

DISK_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the operating system says when a disk, a quota or a file's largest size is full."""


class GaterankError(Exception):
    """Base of every error whose message alone tells the user what to mend."""

    exit_code = 1


class ConfigError(GaterankError):
    """The YAML breaks a rule; the message has the field's path, the rule and the value."""

    exit_code = 2


class InputError(GaterankError):
    """A file, folder or request that the user named cannot be used as it is."""

    exit_code = 2


class DiskFullError(GaterankError):
    """There is no room left to write; what was complete stays, the next run goes on from it."""


class WorkerLostError(GaterankError):
    """A process that ran a part of a Beam job has ended before it; often memory ran out."""


class DeadLetterRatioError(GaterankError):
    """More rows were refused than `logs.dead_letters.max_ratio` allows."""

    exit_code = 3


class NotBlessedError(GaterankError):
    """Nothing was pushed: a threshold was not met, or a later day's model is served."""

    exit_code = 4


class DataAnomalyError(GaterankError):
    """ExampleValidator found statistics that break the schema."""

    exit_code = 5


class ClusterError(GaterankError):
    """A process of a training over several has ended, or cannot be reached."""

    exit_code = 6


class NotReadyError(GaterankError):
    """The logs of a day, or the feedback that its labels wait for, are not there yet."""

    exit_code = 7


class PreemptedError(GaterankError):
    """SIGTERM ended a training; its checkpoint is there, and the same command goes on from it."""

    exit_code = 8


class DivergedError(GaterankError):
    """The loss of a training is not finite; the last good checkpoint is kept."""

    exit_code = 9


class ServingAlarmError(GaterankError):
    """What is served is not as it was in training, by the thresholds of `monitor`."""

    exit_code = 10


def write_error(path: str | Path, error: OSError) -> GaterankError:
    """What to raise when the operating system refuses to write a file or to make a folder.

    Args:
        path: what was to be written.
        error: the refusal.

    Example:
        >>> write_error("out", NotADirectoryError(errno.ENOTDIR, "Not a directory"))
        InputError('out: cannot be written: Not a directory')
    """
    kind = DiskFullError if error.errno in DISK_IS_FULL else InputError
    # Arrow puts a long story where the system has a short word.
    reason = os.strerror(error.errno) if error.errno else str(error)
    return kind(f"{path}: cannot be written: {reason}")
