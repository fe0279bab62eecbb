"""The verbs: build, start, stop, trial."""

import subprocess
import sys
from pathlib import Path

import click
import yaml

from deployment.engines.alone import UNSHARE, bring_loopback_up, can_be_alone
from deployment.engines.daemons import Daemons
from deployment.engines.parts import BUILD, make_parts
from deployment.engines.spark.cluster import SparkCluster
from pipeline.cli.main import main
from transforms.errors import GaterankError

CLUSTER = BUILD / "cluster"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def engines() -> None:
    """Engines for ingestion, on loopback."""


@engines.command()
def build() -> None:
    """Make what an engine is made of; a minute or two, once."""
    make_parts(_say)


@engines.command()
@click.option("--workers", type=int, default=2, show_default=True, help="Of one core each.")
@click.option("--memory", default="1g", show_default=True, help="Of each worker.")
def start(workers: int, memory: str) -> None:
    """Start a Spark cluster and print the `beam` section of a YAML that runs on it.

    Beam's job server listens on all addresses of this machine and asks nobody who he is.
    """
    cluster = SparkCluster(make_parts(_say), CLUSTER, workers, memory)
    try:
        cluster.start()
    except BaseException:
        cluster.daemons.stop()
        raise
    click.echo(yaml.safe_dump({"beam": cluster.section()}, sort_keys=False), nl=False)


@engines.command()
def stop() -> None:
    """Stop the cluster."""
    Daemons(CLUSTER).stop()


@engines.command()
@click.option("--impressions", type=int, default=200_000, show_default=True, help="How many.")
@click.option("--here", is_flag=True, help="In this network, not in one of its own.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=BUILD / "trial",
    help="For logs and outputs.",
)
def trial(impressions: int, here: bool, folder: Path) -> None:
    """Ingest the same logs directly and on Spark, with and without a worker killed.

    Exit code 1 if a byte of the outputs differs.
    """
    from deployment.engines.trial import print_outcomes, run_trial

    parts = make_parts(_say)
    if not here and can_be_alone():
        again = [sys.executable, "-m", "deployment.engines", "trial", "--here"]
        again += ["--impressions", str(impressions), "--folder", str(folder.absolute())]
        sys.exit(subprocess.run([*UNSHARE, *again]).returncode)
    if here:
        bring_loopback_up()
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = run_trial(parts, folder.absolute(), impressions, _say)
    print_outcomes(outcomes)
    if not all(outcome.passed for outcome in outcomes):
        raise GaterankError("the engines do not agree")


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main(engines)
