"""The one tree of errors that a user of gaterank can cause and mend.

Each class carries the exit code that the command line returns for it. Anything outside
this tree is a bug and is allowed to crash with its traceback.
"""


class GaterankError(Exception):
    """Base of every error whose message alone tells the user what to mend."""

    exit_code = 1


class ConfigError(GaterankError):
    """The YAML breaks a rule; the message has the field's path, the rule and the value."""

    exit_code = 2


class InputError(GaterankError):
    """A file, folder or request that the user named cannot be used as it is."""

    exit_code = 2


class DeadLetterRatioError(GaterankError):
    """More rows were refused than `logs.dead_letters.max_ratio` allows."""

    exit_code = 3


class NotBlessedError(GaterankError):
    """The candidate did not meet a threshold against the baseline; nothing was pushed."""

    exit_code = 4


class DataAnomalyError(GaterankError):
    """ExampleValidator found statistics that break the schema."""

    exit_code = 5
