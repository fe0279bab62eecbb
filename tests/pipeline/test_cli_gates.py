"""`gaterank gates`: every kind with its options, for people and for programs, at once."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pipeline.cli.main import cli, main
from tests.pipeline.tiny import ROOT
from trainer.gates.balance_options import BALANCES
from trainer.gates.registry import GATES


def said(*arguments: str) -> str:
    """What the verb prints."""
    ended = CliRunner().invoke(cli, ["gates", *arguments])
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_the_list_has_every_kind_of_gate_and_balance():
    text = said()
    lines = [line.strip().split("  ")[0] for line in text.splitlines()]
    assert set(GATES) | set(BALANCES) <= set(lines)
    assert "top_k  static or per example" in text
    assert "noisy_top_k  per example" in text
    assert "dselect_k_annealed  static\n" in text
    assert "experts_per_task  integer in [1, 1024]  = 2" in text


def test_no_line_is_wider_than_a_page_and_none_ends_in_a_word_cut_off():
    assert max(map(len, said().splitlines())) <= 120
    assert "…" not in said()


def test_one_kind_is_explained_at_length():
    text = said("dselect_k")
    assert "w = sum_{i<=k} softmax(alpha)_i r(S(z_i))" in text
    assert "trainer.gates.dselect_k.DSelectKGate" in text
    assert "top_k" not in text
    assert "balance  kinds of this section" in text
    assert "balance" not in said("gumbel_softmax")


def test_json_has_the_bounds_of_every_option():
    document = json.loads(said("--json"))
    assert [gate["kind"] for gate in document["gates"]] == list(GATES)
    assert [balance["kind"] for balance in document["balance"]] == list(BALANCES)
    (gate,) = json.loads(said("dselect_k", "--json"))["gates"]
    assert (gate["static"], gate["per_example"]) == (True, True)
    beta = next(option for option in gate["options"] if option["name"] == "beta")
    assert beta == {
        "name": "beta",
        "meaning": "width of the smooth-step function.",
        "type": "number",
        "default": 1.0,
        "exclusiveMinimum": 0.0,
        "maximum": 1e6,
    }
    assert "$ref" not in said("--json")


def test_an_unknown_kind_is_one_message_with_the_kinds(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gaterank", "gates", "dselekt"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (f"error: KIND must be one of {', '.join(GATES)}. Received: 'dselekt'\n")


def test_help_says_where_an_option_goes():
    assert "gate: {kind: top_k, experts_per_task: 2}" in said("--help")


def test_listing_gates_does_not_wait_for_tensorflow():
    program = (
        "import sys; from pipeline.cli.main import cli;"
        "cli(['gates'], standalone_mode=False);"
        "sys.exit('tensorflow' in sys.modules or 'apache_beam' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "dselect_k" in ended.stdout
