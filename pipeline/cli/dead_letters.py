"""The verb about refused rows: deadletters."""

import json
from pathlib import Path

import click

from pipeline.cli.options import Place, json_option
from transforms.errors import InputError
from transforms.ingest.dead_letters.reasons import Reason


@click.command()
@click.argument("place", type=Place(path_type=Path, file_okay=False), metavar="PLACE")
@click.option(
    "--reason",
    "codes",
    multiple=True,
    type=click.Choice([reason.value for reason in Reason]),
    metavar="CODE",
    help="Only this reason; can be given several times.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="How many rows to show of each reason.",
)
@json_option
@click.option(
    "--export",
    "out",
    type=click.Path(path_type=Path, file_okay=False),
    help="New folder: the rows, whole, as CSV files to repair and to put beside the logs.",
)
@click.option(
    "--logs",
    type=Place(path_type=Path, file_okay=False),
    help="Folder of the log files, or its URI, for --export; a workspace knows it.",
)
@click.option(
    "--separator",
    default="|",
    show_default=True,
    help="Between the words of a list, where --export turns Parquet into CSV.",
)
def deadletters(
    place: Path | str,
    codes: tuple[str, ...],
    limit: int,
    as_json: bool,
    out: Path | None,
    logs: Path | str | None,
    separator: str,
) -> None:
    """Show the rows that were refused, by reason, with samples.

    PLACE is the workspace of `gaterank run` (its newest run counts) or the folder of
    `gaterank ingest`, or its URI (of spans the newest version of each, refused ones too).
    docs/ingestion.md says what each reason means.
    """
    import pyarrow as pa

    from pipeline.report.dead_letters import letters_document, print_letters
    from transforms.ingest.dead_letters.letters import of_reasons, read_dead_letters
    from transforms.ingest.repairing.export import export_rows
    from transforms.storage import in_full

    folders, known_logs = _find(in_full(str(place)))
    source = logs or known_logs
    if out is not None and source is None:
        raise InputError("deadletters: name the folder of the log files by --logs")
    found = pa.concat_tables([read_dead_letters(folder) for folder in folders])
    letters = of_reasons(found, map(Reason, codes))
    if as_json:
        click.echo(json.dumps(letters_document(letters, limit), indent=1, ensure_ascii=False))
    else:
        print_letters(letters, limit)
    if out is not None:
        exported = export_rows(letters, str(source), out, separator)
        for name, rows in exported.files.items():
            click.echo(f"{rows:>8} rows in {out / name}", err=as_json)
        if exported.left_out:
            click.echo(f"{exported.left_out:>8} letters stand for no whole row", err=as_json)


def _find(place: str) -> tuple[list[str], str | None]:
    """The folders of dead letters, and the logs from which they came, if that is known."""
    from transforms.ingest.counting.counts import COUNTS_FILE
    from transforms.ingest.dead_letters.files import DEAD_LETTERS
    from transforms.rolling.store import SpanStore
    from transforms.storage import is_file, is_uri

    for folder in (place, f"{place}/{DEAD_LETTERS}"):
        if is_file(f"{folder}/{COUNTS_FILE}"):
            return [folder], None
    of_spans = SpanStore(place).dead_letters()
    if of_spans:
        return of_spans, None
    if is_uri(place):
        raise InputError(f"{place}: must be a folder of `gaterank ingest`")
    from pipeline.workspace import Workspace

    workspace = Workspace(Path(place))
    try:
        newest = workspace.newest("gaterank.IngestReport")
    except InputError:
        # The first run of a ranker with spans may have been refused.
        stores = [SpanStore(str(folder)) for folder in workspace.span_stores()]
        refused = [folder for store in stores for folder in store.dead_letters()]
        if refused:
            return refused, None
        raise
    uri = newest.uri("gaterank.IngestReport")
    assert uri is not None
    return [str(uri)], newest.logs
