"""The verb that watches what is served: monitor."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Place, config_argument, json_option, logs_option
from pipeline.cli.quiet import hush_beam, load_tensorflow
from pipeline.config import RankerConfig, load_config
from transforms.errors import InputError, ServingAlarmError
from transforms.spans.days import parse_span

if TYPE_CHECKING:
    from pipeline.monitoring.figures import MonitorFigures

_SHOWN = 5


@click.command()
@config_argument
@click.option(
    "--workspace",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the runs that pushed what is served.",
)
@click.option(
    "--requests",
    type=Place(path_type=Path, file_okay=False),
    help="Folder of the model's request log, or its URI; goes before `monitor.requests`.",
)
@logs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Store of watched days; by default WORKSPACE/monitor/<ranker>.",
)
@click.option(
    "--day",
    metavar="DATE",
    callback=lambda _context, _option, text: parse_span(text) if text else None,
    help="The last day to look at; by default the newest whose labels can be complete.",
)
@click.option("--days", type=click.IntRange(1, 1000), help="Goes before `monitor.days` of CONFIG.")
@click.option(
    "--complete", is_flag=True, help="Exit code 7 as long as the day's labels cannot be complete."
)
@click.option("--pushgateway", metavar="URL", help="Push the metrics there too.")
@json_option
def monitor(
    config: Path,
    workspace: Path,
    requests: Path | str | None,
    logs: Path | str | None,
    out: Path | None,
    day: int | None,
    days: int | None,
    complete: bool,
    pushgateway: str | None,
    as_json: bool,
) -> None:
    """Watch what is served: skew to training, drift since the day before, live metrics.

    The request log of a day (`serve --request-log`) is joined with the feedback in --logs. The
    store gets a folder a day, with monitor.json, monitor.html and metrics.prom, which also stands
    in the store itself. Exit code 10 if something is an alarm by `monitor` of CONFIG, 7 if nothing
    was served on the day.
    """
    from pipeline.local_runner import find_logs
    from pipeline.workspace import Workspace

    ranker = load_config(config)
    if days is not None:
        section = ranker.monitor.model_copy(update={"days": days})
        ranker = ranker.model_copy(update={"monitor": section})
    folder, space = _requests(ranker, requests), Workspace(workspace)
    logs_folder = find_logs(ranker, logs)
    out = out or space.monitored(ranker.name)
    load_tensorflow()
    hush_beam()
    from pipeline.monitoring.watch import Watch, watch

    figures = watch(ranker, space, Watch(folder, logs_folder, out, day, complete))
    if as_json:
        click.echo(figures.model_dump_json(indent=1))
    else:
        _tell(figures, out)
    if pushgateway:
        from pipeline.monitoring.exposition import monitor_registry, push_metrics

        push_metrics(monitor_registry(figures), pushgateway, ranker.name)
    if figures.alarms:
        raise ServingAlarmError(_sentence(figures))


def _requests(ranker: RankerConfig, requests: Path | str | None) -> str:
    folder = requests or ranker.monitor.requests
    if not folder:
        raise InputError("requests: name the folder by --requests or by `monitor.requests`")
    return str(folder)


def _tell(figures: "MonitorFigures", out: Path) -> None:
    rows = figures.counts.impressions
    click.echo(f"{figures.ranker}, {figures.days}: {rows.examples:,} impressions served")
    for version, served in figures.versions.items():
        click.echo(f"{'version ' + version:>16}: {served.impressions:,} impressions")
    click.echo(f"{'dead letters':>16}: {sum(figures.counts.dead_letters.values()):,}")
    click.echo(f"{'labels until':>16}: {figures.labels_until or 'no feedback'}")
    for note in figures.notes:
        click.echo(f"{'note':>16}: {note}")
    click.echo(f"{'page':>16}: {out / figures.last_day / 'monitor.html'}")


def _sentence(figures: "MonitorFigures") -> str:
    shown = [
        f"  {alarm.kind} of {alarm.place}"
        f"{f', version {alarm.model_version}' if alarm.model_version else ''}: {alarm.message}"
        for alarm in figures.alarms[:_SHOWN]
    ]
    more = len(figures.alarms) - len(shown)
    count = f"{len(figures.alarms)} alarm{'s' * (len(figures.alarms) > 1)}"
    first = f"{figures.ranker}, {figures.days}: {count}"
    return "\n".join([first, *shown, *([f"  and {more} more"] if more else [])])
