"""What is read for a span: its own files, and the feedback around it."""

from collections.abc import Mapping
from datetime import timedelta

from transforms.config import DataConfig
from transforms.errors import InputError
from transforms.ingest.adapters.base import Role
from transforms.ingest.adapters.canonical import as_logs
from transforms.ingest.plan import SpanInput
from transforms.listing import list_files
from transforms.spans.days import DAY
from transforms.spans.files import SpanFiles, describe, files_of, newest_spans, require_spans

_ONE_DAY = timedelta(days=1)


def find_spans(config: DataConfig, logs: str) -> dict[int, SpanFiles]:
    """The newest version of each span in a folder of logs, by rising number.

    Raises:
        InputError: if there is none, or a newer version lacks what an older one has.
    """
    assert config.logs.spans is not None
    spans = newest_spans(config.logs.spans.input, list_files(logs))
    require_spans(logs, config.logs.spans.input, spans)
    for number, span in spans.items():
        for role in _roles(dict.fromkeys(span.replaced, "")) - _roles(span.files):
            raise InputError(
                f"{logs}: {describe(number)} must be whole in its newest version. "
                f"Received: version {span.version} without {role}"
            )
    return spans


def has_impressions(span: SpanFiles) -> bool:
    """Whether a span has anything to make examples of; days at the end have feedback only."""
    return "impressions" in _roles(span.files)


def spans_ahead(config: DataConfig) -> int:
    """How many spans later the last feedback can stand that belongs to a label."""
    windows = [task.label.window for task in config.tasks.values()]
    return -(-max(windows) // _ONE_DAY)


def newest_complete(config: DataConfig, spans: Mapping[int, SpanFiles]) -> int:
    """The newest span with impressions whose attribution windows end within the logs.

    Raises:
        InputError: if there is none.
    """
    ahead, last = spans_ahead(config), max(spans)
    complete = [n for n in spans if day_is_complete(config, spans, n) is None]
    if not complete:
        raise InputError(
            f"span: must be named by --span, for none is complete: feedback may come {ahead} days "
            f"later, and the last day of the logs is {describe(last)}"
        )
    return complete[-1]


def day_is_complete(config: DataConfig, spans: Mapping[int, SpanFiles], span: int) -> str | None:
    """Whether a span can be trained on; None, or what it waits for.

    Args:
        config: its labels' windows say for how many days feedback comes.
        spans: see `find_spans`.
        span: the day.
    """
    if span not in spans or not has_impressions(spans[span]):
        return "there are no impressions"
    ahead, last = spans_ahead(config), max(spans)
    if span + ahead > last:
        return f"feedback may come {ahead} days later, and the logs end with {describe(last)}"
    return None


def span_input(config: DataConfig, spans: Mapping[int, SpanFiles], span: int) -> SpanInput:
    """What is read for a span.

    Args:
        config: windows and clock skew say how far feedback is borrowed.
        spans: see `find_spans`.
        span: one of them.
    """
    behind = -(-config.logs.clock_skew // _ONE_DAY)
    around = range(span - behind, span + spans_ahead(config) + 1)
    others = (spans[number] for number in around if number != span and number in spans)
    borrowed = {
        log.relative: log.path for log in as_logs(files_of(others)) if log.role == "feedback"
    }
    return SpanInput(spans[span].files, borrowed, span * DAY, (span + 1) * DAY)


def _roles(files: Mapping[str, str]) -> set[Role]:
    return {log.role for log in as_logs(files)}
