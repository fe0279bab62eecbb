"""The verbs: build, start, stop, trial."""

import subprocess
import sys
from pathlib import Path

import click
import yaml

from deployment.engines.alone import UNSHARE, bring_loopback_up, can_be_alone
from deployment.engines.cluster import Cluster
from deployment.engines.daemons import Daemons
from deployment.engines.flink.cluster import FlinkCluster
from deployment.engines.parts import BUILD, make_parts
from deployment.engines.spark.cluster import SparkCluster
from pipeline.cli.main import main
from transforms.errors import GaterankError

_CLUSTERS: dict[str, type[Cluster]] = {"spark": SparkCluster, "flink": FlinkCluster}

engine_argument = click.argument("engine", type=click.Choice(list(_CLUSTERS)))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def engines() -> None:
    """Engines for ingestion, on loopback."""


@engines.command()
@engine_argument
def build(engine: str) -> None:
    """Make what ENGINE is made of; a minute or two, once."""
    make_parts(_CLUSTERS[engine].recipe, _say)


@engines.command()
@engine_argument
@click.option("--workers", type=click.IntRange(1), help="Of one core each; by default 2 or 3.")
def start(engine: str, workers: int | None) -> None:
    """Start a cluster and print the `beam` section of a YAML that runs on it.

    Beam's job server listens on all addresses of this machine and asks nobody who he is.
    """
    kind = _CLUSTERS[engine]
    cluster = kind(make_parts(kind.recipe, _say), _folder(engine), workers)
    try:
        cluster.start()
    except BaseException:
        cluster.daemons.stop()
        raise
    click.echo(yaml.safe_dump({"beam": cluster.section()}, sort_keys=False), nl=False)


@engines.command()
@engine_argument
def stop(engine: str) -> None:
    """Stop the cluster."""
    Daemons(_folder(engine)).stop()


@engines.command()
@engine_argument
@click.option("--impressions", type=int, default=200_000, show_default=True, help="How many.")
@click.option("--here", is_flag=True, help="In this network, not in one of its own.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=BUILD / "trial",
    help="For logs and outputs.",
)
def trial(engine: str, impressions: int, here: bool, folder: Path) -> None:
    """Ingest the same logs directly and on ENGINE, also with a worker killed.

    Exit code 1 if a byte of the outputs differs.
    """
    from deployment.engines.trial import print_outcomes, run_trial

    kind = _CLUSTERS[engine]
    parts = make_parts(kind.recipe, _say)
    if not here and can_be_alone():
        again = [sys.executable, "-m", "deployment.engines", "trial", engine, "--here"]
        again += ["--impressions", str(impressions), "--folder", str(folder.absolute())]
        sys.exit(subprocess.run([*UNSHARE, *again]).returncode)
    if here:
        bring_loopback_up()
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = run_trial(kind, parts, folder.absolute(), impressions, _say)
    print_outcomes(outcomes)
    if not all(outcome.passed for outcome in outcomes):
        raise GaterankError(f"direct and {engine} do not agree")


def _folder(engine: str) -> Path:
    return BUILD / engine / "cluster"


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main(engines)
