"""FindInputs: what a run begins from, where an orchestrator runs no drivers and no resolvers.

Its outputs are parameters of the components that follow, so that those, and nothing else, are run
again when the logs or the base are other ones. It must never be taken from a cache itself.
"""

from collections.abc import Collection
from pathlib import Path
from typing import TypedDict

from tfx.dsl.component.experimental.annotations import Parameter
from tfx.dsl.component.experimental.decorators import component

from pipeline.bases import newest_bases
from pipeline.components.log_example_gen import find_log_files, fingerprint
from pipeline.served.versions import withdrawn_spans
from transforms.config import DataConfig
from transforms.errors import InputError, NotReadyError
from transforms.rolling.inputs import day_is_complete, find_spans
from transforms.spans.days import parse_span
from transforms.spans.files import describe

NO_BASE = "none"
_NO_SPAN = -1


class Inputs(TypedDict):
    """What was found: the last day to train on, a digest of the log files, a name of bases."""

    last: int
    fingerprint: str
    base: str


@component
def FindInputs(  # noqa: N802
    logs: Parameter[str],
    span: Parameter[str],
    data: Parameter[str],
    bases: Parameter[str],
    served: Parameter[str],
    code_version: Parameter[str],
) -> Inputs:
    """Looks at the logs, and at the bases of blessed models.

    Args:
        logs: folder of the log files, or its URI.
        span: the last day to train on, as `--span`; empty for the newest complete one.
        data: `DataConfig` as JSON.
        bases: folder of the bases; empty if a training begins from none.
        served: folder that models are pushed into, where rollbacks are written down.
        code_version: of `transforms`.
    """
    del code_version
    withdrawn = withdrawn_spans(Path(served))
    return find_inputs(DataConfig.model_validate_json(data), logs, span, bases, withdrawn)


def find_inputs(
    config: DataConfig, logs: str, span: str, bases: str, withdrawn: Collection[int] = ()
) -> Inputs:
    """Looks at the logs, and at the bases of blessed models; see `FindInputs`.

    Raises:
        NotReadyError: if the day was named and its logs, or those of its labels, are not there.
        InputError: if there are no logs, or a day is named where the YAML knows none.
    """
    if not logs:
        raise InputError("logs: name their folder by the parameter `logs`")
    if config.logs.spans is None and span:
        raise InputError("span: needs `logs.spans` in the YAML")
    wanted = parse_span(span) if span else None
    if wanted is not None:
        missing = day_is_complete(config, find_spans(config, logs), wanted)
        if missing:
            raise NotReadyError(f"{describe(wanted)}: {missing}")
    last, files = find_log_files(config, logs, wanted)
    base = None
    if bases and last is not None:
        base = newest_bases(Path(bases), before=last, without=withdrawn)
    return Inputs(
        last=_NO_SPAN if last is None else last,
        fingerprint=fingerprint(files),
        base=base or NO_BASE,
    )
