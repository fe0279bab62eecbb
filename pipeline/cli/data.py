"""Verbs about data and configuration: simulate, validate, ingest."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from pipeline.cli.options import Place, config_argument, logs_option, span_option
from pipeline.cli.quiet import hush_beam
from pipeline.config import load_config
from transforms.errors import InputError


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; made if it is not there.",
)
@click.option("--impressions", type=int, default=100_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same logs.")
@click.option("--days", type=int, default=7, show_default=True, help="Days of logs.")
@click.option(
    "--first-day",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-01-05",
    show_default=True,
    help="Date of the first day.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="Of the log files.",
)
@click.option(
    "--drift", type=float, default=0.0, help="Share of one of the users' tastes that fades a day."
)
@click.option(
    "--churn", type=float, default=0.0, help="Share of users and items that are new each day."
)
def simulate(
    out: Path,
    impressions: int,
    seed: int,
    days: int,
    first_day: datetime,
    file_format: Any,
    drift: float,
    churn: float,
) -> None:
    """Write impression and feedback logs with a known answer.

    The logs have eight tasks of known structure; truth.json says which latent factor each
    task needs, and the best AUC or RMSE that any model can reach.
    """
    from transforms.simulator.simulate import simulate as write_logs

    day: date = first_day.date()
    truth = write_logs(out, impressions, seed, file_format, days, day, drift=drift, churn=churn)
    click.echo(f"{truth.impressions} impressions over {days} days in {out}")


@click.command()
@config_argument
def validate(config: Path) -> None:
    """Check CONFIG and print it with every default filled in.

    A broken rule is one line: the path of the field, the rule and the value.
    """
    resolved = load_config(config)
    click.echo(yaml.safe_dump(resolved.model_dump(mode="json"), sort_keys=False), nl=False)


@click.command()
@config_argument
@logs_option
@click.option(
    "--out",
    required=True,
    type=Place(path_type=Path, file_okay=False),
    help="Folder for Split-train, Split-eval and the ingest report, or its URI.",
)
@click.option(
    "--history",
    type=Place(path_type=Path, dir_okay=False, exists=True),
    help="history.parquet of the logs before these, for history features to start from.",
)
@span_option
def ingest(
    config: Path,
    logs: Path | str | None,
    out: Path | str,
    history: Path | str | None,
    span: int | None,
) -> None:
    """Turn logs into tf.Examples, dead letters and counts; nothing else.

    With history features, dead_letters/history.parquet says what is known at the end.

    With `logs.spans` the folder gets a folder a day and version, and only days that are new or
    have changed are ingested.

    Exit code 3 if more rows were refused than `logs.dead_letters.max_ratio` allows.
    """
    hush_beam()
    from pipeline.local_runner import check_span
    from pipeline.stages import ingest_logs, ingest_spans

    ranker = load_config(config)
    check_span(ranker, span)
    if ranker.logs.spans is None:
        counts = ingest_logs(ranker, logs, out, history)
    elif history is not None:
        raise InputError("--history: a day goes on from the day before with `logs.spans`")
    else:
        window, counts = ingest_spans(ranker, logs, out, span)
        for one in window:
            click.echo(f"{one.date:>12}: version {one.record.version}")
    for split, rows in counts.splits.items():
        click.echo(f"{split:>12}: {rows} examples")
    click.echo(f"{'dead letters':>12}: {sum(counts.dead_letters.values())}")
