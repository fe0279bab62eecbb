"""Verbs about a model: train, score, sign."""

from pathlib import Path

import click

from pipeline.cli.options import (
    config_argument,
    examples_option,
    logs_option,
    signing_key_option,
    span_option,
    verify_key_option,
)
from pipeline.cli.quiet import hush_beam, load_tensorflow
from pipeline.config import load_config
from trainer.config import ROLES, Role
from trainer.strategies.options import (
    MultiWorkerOptions,
    ParameterServerOptions,
    StrategySection,
)
from transforms.errors import ConfigError, InputError
from transforms.section import load_section


@click.command()
@config_argument
@span_option
@examples_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("model"),
    show_default=True,
    help="Folder for the SavedModel and the record of the training.",
)
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="candidate",
    show_default=True,
    help="Whose gate to train.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of an earlier training, or Model artifact of a run, to begin from.",
)
@click.option(
    "--workers",
    type=int,
    help="Train by so many processes of this machine, which step together.",
)
@click.option(
    "--parameter-servers",
    type=int,
    help="Of the workers; then each worker steps by itself.",
)
@click.option(
    "--profile",
    is_flag=True,
    help="Show in TensorBoard's log, OUT/tensorboard, what some steps spend their time on.",
)
def train(
    config: Path,
    examples: Path,
    out: Path,
    role: Role,
    span: int | None,
    base: Path | None,
    workers: int | None,
    parameter_servers: int | None,
    profile: bool,
) -> None:
    """Transform examples and train one ranker on them; nothing else.

    With `logs.spans` the examples are those of the window's days in the folder of spans.

    With --workers each process logs to a file in OUT-logs, beside OUT, and if one fails all
    others are ended.

    A training that was killed goes on from its last checkpoint, in OUT-unfinished, if the same
    command is given again. SIGTERM has it write one and end with exit code 8.
    """
    strategy = _choose_strategy(workers, parameter_servers)
    load_tensorflow()
    hush_beam()
    from pipeline.local_runner import check_span
    from pipeline.progress import lines_said
    from pipeline.train_stage import train_stage

    ranker = load_config(config)
    check_span(ranker, span)
    if profile:
        ranker = ranker.with_training(profile=True)
    with lines_said(click.echo):
        record = train_stage(ranker, examples, out, role, span, strategy, base)
    best = record["epochs"][record["best_epoch"] - 1]
    for place in record["resumed"]:
        click.echo(f"interrupted, and went on from epoch {place['epoch']}, step {place['step']}")
    click.echo(f"best epoch {record['best_epoch']} of {len(record['epochs'])}")
    for name, value in best.items():
        click.echo(f"  {name}: {value:.4f}" if isinstance(value, float) else f"  {name}: {value}")
    click.echo(f"model: {out / 'serving'}")


def _choose_strategy(workers: int | None, parameter_servers: int | None) -> StrategySection | None:
    """What the flags ask for; None leaves it to the YAML."""
    if workers is None:
        if parameter_servers is not None:
            raise ConfigError(
                "--parameter-servers needs --workers, the processes that train. "
                f"Received: parameter_servers={parameter_servers}"
            )
        return None
    if parameter_servers is None:
        return load_section(
            MultiWorkerOptions, {"kind": "multi_worker", "workers": workers}, "flags"
        )
    section = {"kind": "parameter_server", "workers": workers}
    section |= {"parameter_servers": parameter_servers}
    return load_section(ParameterServerOptions, section, "flags")


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path, file_okay=False), metavar="MODEL_DIR")
@config_argument
@logs_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Parquet file to write; or, if its name does not end in .parquet, a folder of them.",
)
@verify_key_option
def score(
    model_dir: Path,
    config: Path,
    logs: Path | str | None,
    out: Path,
    verify_keys: Path | None,
) -> None:
    """Score logs in bulk with the model in MODEL_DIR (its latest version).

    The workers of `beam` in CONFIG ingest and score, each with the model in its memory once.

    One row an impression: its keys, prediction_<task> and label_<task> for each task (a
    regression's both in the label's transformed space; a label that does not exist is
    null), and score.
    """
    load_tensorflow()
    hush_beam()
    from pipeline.stages import score_logs
    from serving.manifest.keys import read_verify_keys

    keys = None if verify_keys is None else read_verify_keys(verify_keys)
    rows = score_logs(model_dir, load_config(config), logs, out, keys)
    click.echo(f"{rows} rows in {out}")


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False), metavar="MODEL")
@signing_key_option
@click.option(
    "--name", help="Of the ranker, if MODEL has no manifest.  [default: that of the folder]"
)
def sign(model: Path, signing_key: Path | None, name: str | None) -> None:
    """Sign MODEL, a SavedModel that was not signed when it was pushed, or never pushed.

    If it has a manifest, its files must be those that this lists.
    """
    from serving.manifest.keys import read_signing_key
    from serving.manifest.write import sign_model

    if signing_key is None:
        raise ConfigError("--signing-key: must be given")
    if not (model / "saved_model.pb").is_file():
        raise InputError(f"{model}: must be a SavedModel")
    key = read_signing_key(signing_key)
    manifest = sign_model(model, name or model.absolute().name, key)
    click.echo(f"{model}: {len(manifest.files)} files of {manifest.ranker}, signed by {key.id}")
