"""Which files a day is made of: of the request log, and the feedback around it."""

from typing import NamedTuple

from pipeline.config import RankerConfig
from transforms.errors import NotReadyError
from transforms.ingest.adapters.canonical import as_logs
from transforms.ingest.plan import SpanInput
from transforms.listing import list_files
from transforms.logs import Spans
from transforms.rolling.inputs import spans_ahead
from transforms.spans.days import DAY
from transforms.spans.files import SpanFiles, describe, files_of, newest_spans, require_spans

REQUEST_DAYS = "impressions/{YYYY}-{MM}-{DD}/*"
"""Files of the request log, below the folder of a model."""


class WatchedDays(NamedTuple):
    """What is read for some days.

    Attributes:
        first: the first day, as a span.
        last: the last one.
        source: files and times, as ingestion takes them.
        feedback_ends: the first millisecond after the last dated folder of feedback that is
            read; None if feedback has no dates.
        feedback_goes_on: whether there is a later folder, so that what is read is all there is.
    """

    first: int
    last: int
    source: SpanInput
    feedback_ends: int | None
    feedback_goes_on: bool = False


def find_days(
    config: RankerConfig, requests: str, logs: str, last: int | None, complete: bool = False
) -> WatchedDays:
    """Finds the files of the last `monitor.days` days.

    Args:
        config: the whole YAML.
        requests: folder of the request log of a model; a path or a URI.
        logs: folder of the feedback, in the canonical form, by `logs.spans.input` or its
            default if it is dated.
        last: the last day; by default the newest whose labels can be complete.
        complete: whether a day whose labels cannot be complete is refused.

    Raises:
        NotReadyError: if nothing was served on the last day, or its labels wait for feedback.
        InputError: if a folder is missing or holds something else.
    """
    served = newest_spans(REQUEST_DAYS, list_files(requests))
    require_spans(requests, REQUEST_DAYS, served)
    loose, dated = _feedback(config, logs)
    ahead = spans_ahead(config.data_config())
    newest_feedback = max(dated, default=None)
    if last is None:
        last = _newest_complete(served, ahead, newest_feedback)
    if last not in served:
        raise NotReadyError(f"{requests}: nothing was served on {describe(last)}")
    if complete and newest_feedback is not None and last + ahead > newest_feedback:
        raise NotReadyError(
            f"{describe(last)}: feedback may come {ahead} days later, and there is none after "
            f"{describe(newest_feedback)}"
        )
    first = last - config.monitor.days + 1
    behind = -(-config.logs.clock_skew.total_seconds() * 1000 // DAY)
    around = range(first - int(behind), last + ahead + 1)
    own = files_of(served[n] for n in sorted(served) if first <= n <= last)
    own |= loose | files_of(dated[n] for n in sorted(dated) if first <= n <= last)
    borrowed = files_of(dated[n] for n in around if n in dated and not first <= n <= last)
    source = SpanInput(own, borrowed, first * DAY, (last + 1) * DAY)
    if newest_feedback is None:
        return WatchedDays(first, last, source, None)
    ends = (min(newest_feedback, last + ahead) + 1) * DAY
    return WatchedDays(first, last, source, ends, newest_feedback > last + ahead)


def _feedback(config: RankerConfig, logs: str) -> tuple[dict[str, str], dict[int, SpanFiles]]:
    """The files of feedback: those without a date, and those of each day."""
    found = {log.relative: log.path for log in as_logs(list_files(logs)) if log.role == "feedback"}
    dated = newest_spans((config.logs.spans or Spans()).input, found)
    of_days = {name for span in dated.values() for name in (*span.files, *span.replaced)}
    return {name: path for name, path in found.items() if name not in of_days}, dated


def _newest_complete(served: dict[int, SpanFiles], ahead: int, newest_feedback: int | None) -> int:
    if newest_feedback is None:
        return max(served)
    complete = [span for span in served if span + ahead <= newest_feedback]
    if not complete:
        raise NotReadyError(
            f"no day that was served is complete: feedback may come {ahead} days later, and the "
            f"last day of it is {describe(newest_feedback)}"
        )
    return max(complete)
