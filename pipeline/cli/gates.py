"""The verb about gates: which there are, and what each can be told."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import json_option
from trainer.gates.balance_options import BALANCES
from trainer.gates.describe import (
    GateDescription,
    KindDescription,
    Option,
    describe_balance_kind,
    describe_gate_kind,
)
from trainer.gates.describe_values import describe_values
from trainer.gates.registry import GATES
from transforms.errors import InputError

_PIPE_WIDTH = 120
_BLANK = Text()


@click.command()
@click.argument("kind", required=False)
@json_option
def gates(kind: str | None, as_json: bool) -> None:
    """List the kinds of gates with their options, or explain KIND.

    Options stand in the `gate` section of the YAML:

    \b
      gate: {kind: top_k, experts_per_task: 2}
    """
    if kind is not None and kind not in GATES:
        raise InputError(f"KIND must be one of {', '.join(GATES)}. Received: {kind!r:.200}")
    chosen = [describe_gate_kind(one) for one in ([kind] if kind else GATES)]
    balances = [describe_balance_kind(one) for one in BALANCES]
    if as_json:
        document = {"gates": _documents(chosen), "balance": _documents(balances)}
        click.echo(json.dumps(document, indent=1))
        return
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    for gate in chosen:
        _print(console, _describe_gate(gate, at_length=kind is not None))
    if any(option.name == "balance" for gate in chosen for option in gate.options):
        _print(console, _describe_balances(balances))


def _documents(kinds: Iterable[KindDescription]) -> list[dict[str, Any]]:
    """Each option with its JSON Schema's keys beside its name and meaning."""
    documents = []
    for one in kinds:
        document = asdict(one)
        del document["options"]
        options = [{"name": o.name, "meaning": o.meaning, **o.schema} for o in one.options]
        documents.append(document | {"options": options})
    return documents


def _describe_gate(gate: GateDescription, at_length: bool) -> Iterator[RenderableType]:
    ways = {"static": gate.static, "per example": gate.per_example}
    able = " or ".join(way for way, can in ways.items() if can)
    yield Text.assemble((gate.kind, "bold"), (f"  {able}", "dim"))
    yield _indented(Text(gate.summary))
    if at_length:
        for paragraph in gate.explanation:
            if paragraph != gate.summary:
                yield from (_BLANK, _indented(Text(paragraph)))
        yield from (_BLANK, _indented(Text(gate.gate, style="dim")))
    if gate.options:
        yield from (_BLANK, _table(gate.options))


def _describe_balances(balances: Iterable[KindDescription]) -> Iterator[RenderableType]:
    yield Text.assemble(("balance", "bold"), ("  kinds of this section", "dim"))
    yield _indented(
        Text("An expert's importance is the sum of its weights over a step's examples.")
    )
    for balance in balances:
        yield _BLANK
        yield _indented(Text.assemble((balance.kind, "bold"), f"  {balance.summary}"))
        yield _table(balance.options)


def _table(options: Iterable[Option]) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(max_width=30)
    table.add_column(no_wrap=True)
    table.add_column()
    for option in options:
        default = json.dumps(option.schema["default"]) if "default" in option.schema else "required"
        values = describe_values(option.schema)
        table.add_row(Text(option.name), Text(values), Text(f"= {default}"), Text(option.meaning))
    return _indented(table, by=4)


def _indented(part: RenderableType, by: int = 2) -> RenderableType:
    return Padding(part, (0, 0, 0, by), expand=False)


def _print(console: Console, parts: Iterable[RenderableType]) -> None:
    for part in parts:
        console.print(part)
    console.print()
