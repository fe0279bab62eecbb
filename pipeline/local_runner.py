"""Runs the pipeline on this machine: all components in one process, or one of them."""

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.config import RankerConfig
from pipeline.full_disk import full_disk_is_said
from pipeline.progress import Say, lines_said, logged_to
from pipeline.workspace import Run, Workspace
from serving.manifest.keys import read_signing_key
from trainer.checkpoints.folder import remove_finished
from transforms.errors import InputError
from transforms.storage import is_uri


class Step(NamedTuple):
    """What of a run is to be run.

    Attributes:
        run_id: names the run in ML Metadata.
        node: the component; None for all.
        span: the last one to train on; None for the newest that is complete.
        patience: seconds to wait for another run that holds the workspace.
        signing_key: file of the private key that signs what is pushed; None for no signature.
    """

    run_id: str
    node: str | None = None
    span: int | None = None
    patience: float = 0.0
    signing_key: Path | None = None


def run_local(
    config: RankerConfig,
    workspace: Workspace,
    logs: Path | str | None,
    span: int | None = None,
    signing_key: Path | None = None,
) -> Run:
    """Runs the whole pipeline; components whose inputs did not change are not run again.

    Args:
        config: the whole YAML.
        workspace: where artifacts, metadata and pushed versions are kept.
        logs: folder of the log files, or its URI; None for the YAML's `logs.path`.
        span: the last one to train on; None for the newest that is complete.
        signing_key: file of the private key that signs what is pushed; None for no signature.

    Returns:
        The run, with its blessing and its report.

    Raises:
        InputError: if there is no folder of logs, another run holds the workspace, or the key
            cannot be used.
        DiskFullError: if there is no room for the workspace.
        PreemptedError: if SIGTERM came in a training; the next run goes on from its checkpoint.
        GaterankError: whatever a component found wrong with the data.
    """
    folder = find_logs(config, logs)
    check_span(config, span)
    with full_disk_is_said(workspace.folder), workspace.locked():
        log_file = workspace.new_log_file()
        with logged_to(log_file) as say:
            say(f"{config.name}: run in {workspace.folder}, log in {log_file}")
            step = Step(datetime.now().isoformat(), span=span, signing_key=signing_key)
            _run(config, workspace, folder, say, step)
            return workspace.runs()[0]


def run_step(
    config: RankerConfig, workspace: Workspace, logs: Path | str | None, step: Step
) -> Run:
    """Runs one component; others of the same run may be run by other processes, before or after.

    Of a workspace one component runs at a time, of whatever run. One that has ended in this run
    does nothing: an orchestrator may ask twice, for it may not have heard of the end.

    Args:
        config: the whole YAML.
        workspace: where artifacts, metadata and pushed versions are kept.
        logs: folder of the log files, or its URI; None for the YAML's `logs.path`.
        step: what to run.

    Returns:
        The run as it is now.

    Raises:
        InputError: if there is no such component, or another run holds the workspace for longer
            than `step.patience`.
        GaterankError: see `run_local`.
    """
    folder = find_logs(config, logs)
    check_span(config, step.span)
    with (
        full_disk_is_said(workspace.folder),
        workspace.locked(step.patience),
        logged_to(workspace.new_log_file()) as say,
    ):
        _run(config, workspace, folder, say, step)
        return workspace.run(step.run_id)


def find_logs(config: RankerConfig, logs: Path | str | None) -> str:
    """The folder of the log files: as given, or else the YAML's `logs.path`; may be a URI.

    Raises:
        InputError: if neither names a folder, or a local one is not there.
    """
    folder = str(logs or config.logs.path or "")
    if not folder:
        raise InputError("logs: name their folder by --logs or by `logs.path` of the YAML")
    if is_uri(folder):
        return folder
    if not Path(folder).is_dir():
        raise InputError(f"logs: must be a folder. Received: {folder!r}")
    return str(Path(folder).resolve())


def check_span(config: RankerConfig, span: int | None) -> None:
    """Refuses a span where the YAML knows none.

    Raises:
        InputError: saying what is missing.
    """
    if span is not None and config.logs.spans is None:
        raise InputError("span: needs `logs.spans` in the YAML")


def _run(config: RankerConfig, workspace: Workspace, logs: str, say: Say, step: Step) -> None:
    started = time.monotonic()
    # Now, and not after hours of training.
    key = None if step.signing_key is None else read_signing_key(step.signing_key)
    say("      loading TensorFlow and TFX ...")
    from pipeline.create_pipeline import create_pipeline
    from pipeline.sequential_runner import SequentialRunner
    from transforms.engine import make_tfx_args

    places = replace(workspace.places(config.name, logs), signing_key=key)
    args = make_tfx_args(config.beam)
    pipeline = create_pipeline(config, places, list(args), step.span)
    with lines_said(say):
        SequentialRunner(say, step.run_id, step.node).run(pipeline)
    remove_finished(places.checkpoints)
    say(f"      {step.node or 'all components'}: {time.monotonic() - started:.0f} s")
