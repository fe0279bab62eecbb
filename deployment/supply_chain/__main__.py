"""Writes bills of materials and the table of licences, or asks for known weaknesses."""

from pathlib import Path

import click

from deployment.supply_chain.audit import audit
from deployment.supply_chain.licences import TABLE, write_table
from deployment.supply_chain.locks import LOCKS, ROOT
from deployment.supply_chain.sbom import write_sbom
from pipeline.cli.main import main
from transforms.errors import GaterankError

_TOOLS = ROOT / "build" / "supply_chain" / "venv" / "bin"
tools_option = click.option(
    "--tools",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=_TOOLS,
    help="Folder of cyclonedx-py and pip-audit; `make` makes it.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def supply_chain() -> None:
    """What gaterank is made of."""


@supply_chain.command()
@tools_option
def sbom(tools: Path) -> None:
    """Write a bill of materials for each lock."""
    for lock in LOCKS:
        path = write_sbom(lock, tools)
        click.echo(f"{path.relative_to(ROOT)}: {len(lock.packages())} packages")


@supply_chain.command()
def licences() -> None:
    """Write docs/licences.md."""
    write_table()
    click.echo(f"{TABLE.relative_to(ROOT)}")


@supply_chain.command(name="audit")
@tools_option
@click.option("--service", type=click.Choice(["pypi", "osv"]), default="pypi", show_default=True)
def audit_(tools: Path, service: str) -> None:
    """Ask a database for known weaknesses of what the locks name."""
    found, failures = 0, []
    for lock in LOCKS:
        try:
            weaknesses = audit(lock, tools, service)
        except GaterankError as error:
            failures.append(str(error))
            continue
        click.echo(f"{lock.path}: {len(lock.packages())} packages, {len(weaknesses)} weaknesses")
        for one in weaknesses:
            click.echo(f"  {one.package}=={one.version}: {one.id}, fixed in {', '.join(one.fixed)}")
        found += len(weaknesses)
    if failures:
        raise GaterankError("not audited:\n" + "\n".join(failures))
    if found:
        raise GaterankError(f"{found} known weaknesses; docs/security.md says what to do")


if __name__ == "__main__":
    main(supply_chain)
