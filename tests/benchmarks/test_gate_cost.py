"""The benchmark of the gates times every kind, and compares inside a round."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.gates import (
    APART,
    DYNAMIC,
    RANKER,
    SMALL,
    STATIC,
    TOGETHER,
    Size,
    format_table,
    key,
    make_gates,
    make_rows,
    make_step,
)
from benchmarks.harness.demo_ranker import make_batch, make_program, make_ranker
from benchmarks.harness.timing import ratio, time_rounds
from trainer.gates.registry import GATES

TINY = Size(4, 4, 2)


def test_every_kind_is_timed_but_the_one_that_computes_nothing():
    kinds = {section["kind"] for section in [*STATIC.values(), *DYNAMIC.values()]}
    assert kinds == set(GATES) - {"shared_bottom"}


def test_one_layer_a_task_has_as_many_numbers_as_all_tasks_at_once():
    for section in STATIC.values():
        together, apart = make_gates(section, TINY), make_gates(section, TINY, 4)
        inputs = tf.Variable(tf.zeros([1, 3]))
        make_step(together, inputs), make_step(apart, inputs)
        assert (len(together), len(apart)) == (1, 4)
        sizes = [sum(g.count_params() for g in gates) for gates in (together, apart)]
        counters = sum(v.shape.rank == 0 for v in together[0].weights)
        assert sizes[1] - sizes[0] == 3 * counters


def test_a_timed_step_trains_the_gate():
    for section in [*STATIC.values(), *DYNAMIC.values()]:
        gates = make_gates(section, TINY)
        inputs = tf.Variable(tf.random.stateless_normal([6, 3], [1, 1]))
        step = make_step(gates, inputs)
        variables = gates[0].trainable_variables
        before = [v.numpy() for v in variables]
        step(2)
        moved = [(old != v.numpy()).any() for old, v in zip(before, variables, strict=True)]
        assert any(moved), section


@pytest.mark.slow
def test_a_step_of_the_ranker_is_its_own_training_step():
    ranker = make_ranker()
    program = make_program(ranker, make_batch(ranker.config, 16))
    before = int(ranker.optimizer.iterations)
    program(3)
    assert int(ranker.optimizer.iterations) == before + 3
    assert len(ranker.tasks) == ranker.config.num_experts == 8


def test_programs_are_timed_in_turn():
    calls = []
    programs = {name: lambda count, name=name: calls.append((name, count)) for name in "ab"}
    times = time_rounds(programs, 3, 0.0)
    assert [len(values) for values in times.values()] == [3, 3]
    assert calls[-6:] == [("a", 1), ("b", 1)] * 3


def test_a_load_that_slows_a_whole_round_down_does_not_change_a_ratio():
    assert ratio([1.0, 20.0, 1.0], [2.0, 40.0, 2.0]) == 0.5


def test_the_table_has_a_row_a_gate_and_size():
    times = {RANKER: [0.1], key("softmax", SMALL, TOGETHER): [0.001]}
    times[key("softmax", SMALL, APART)] = [0.004]
    rows = make_rows(times, [SMALL])
    assert [row["gate"] for row in rows] == ["softmax"]
    found = [rows[0][name] for name in ("ms", "percent_of_ranker", "one_layer_a_task")]
    np.testing.assert_allclose(found, [1.0, 1.0, 4.0])
    results = dict.fromkeys(("command", "date", "machine"), "x") | {"rounds": 1, "ranker_ms": 100}
    assert "| softmax | 8 x 8 | 1.00 | 1.0 | 4.0 x |" in format_table(results | {"rows": rows})
