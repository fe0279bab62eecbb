"""Strategies without a cluster: their options, what TF_CONFIG may say, the parts of a batch."""

import json
import socket

import numpy as np
import pytest
import tensorflow as tf

from trainer.batch_part import BatchPart, find_part, mean_over_examples, sum_over_examples
from trainer.config import Training
from trainer.strategies.cluster import check_port, read_cluster
from trainer.strategies.distribution import distributed
from trainer.strategies.options import parse_strategy
from trainer.strategies.parts import cut_batches
from transforms.errors import ConfigError, InputError
from transforms.section import load_section

MULTI_WORKER = parse_strategy("multi_worker")
PARAMETER_SERVER = parse_strategy("parameter_server")
TWO = {"worker": ["a:1", "b:1"]}
SERVERS = {"chief": ["c:1"], "worker": ["a:1", "b:1"], "ps": ["p:1"]}


def environ(cluster, job="worker", index=0, **more):
    return {
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": job, "index": index}} | more)
    }


@pytest.mark.parametrize(
    "kind", ["one_device", "mirrored", "multi_worker", "parameter_server", "tpu"]
)
def test_a_strategy_is_one_word_or_a_section(kind):
    by_word, by_section = (Training(strategy=value).strategy for value in (kind, {"kind": kind}))
    assert by_word == by_section
    assert (
        Training.model_validate_json(Training(strategy=kind).model_dump_json()).strategy == by_word
    )


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [
        ("horovod", "strategy: `kind` must be one of one_device, mirrored, .*Received: 'horovod'"),
        ({"devices": 2}, "strategy: `kind` must be one of .*Received: None"),
        ({"kind": "mirrored", "devices": 0}, r"strategy\.devices: .*greater than.*Received: 0"),
        ({"kind": "mirrored", "workers": 2}, r"strategy\.workers: Extra inputs.*Received: 2"),
        ({"kind": "multi_worker", "workers": 0}, r"strategy\.workers: .*Received: 0"),
        ({"kind": "tpu", "address": ""}, r"strategy\.address: .*Received: ''"),
        (3, "strategy: must be a mapping with `kind`. Received: 3"),
    ],
)
def test_a_wrong_strategy_is_refused_with_the_rule_and_the_value(strategy, rule):
    with pytest.raises(ConfigError, match=rule):
        load_section(Training, {"strategy": strategy}, "bad.yaml")


def test_tf_config_says_who_a_process_is():
    cluster = read_cluster(MULTI_WORKER, environ(TWO, index=1, environment="cloud"))
    assert (cluster.address, cluster.name, cluster.index) == ("b:1", "worker 1", 1)
    assert not cluster.is_chief
    assert read_cluster(MULTI_WORKER, environ(TWO)).is_chief


def test_a_chief_comes_before_the_workers():
    jobs = {"chief": ["c:1"], "worker": ["a:1"]}
    chief, worker = (read_cluster(MULTI_WORKER, environ(jobs, job)) for job in jobs)
    assert chief.is_chief and not worker.is_chief
    assert (chief.index, worker.index) == (0, 1)


@pytest.mark.parametrize("text", ["", " ", "{}", '{"task": {"type": "worker", "index": 0}}'])
def test_without_a_cluster_in_tf_config_there_is_none(text):
    assert read_cluster(MULTI_WORKER, {"TF_CONFIG": text}) is None
    assert read_cluster(MULTI_WORKER, {}) is None


@pytest.mark.parametrize(
    ("options", "value", "rule"),
    [
        (MULTI_WORKER, "worker:0", "must be JSON.*Received: 'worker:0'"),
        (MULTI_WORKER, "[" * 100_000, "must be JSON"),
        (MULTI_WORKER, "[]", "Input should be a valid dictionary"),
        (MULTI_WORKER, '{"cluster": {"worker": ["a:1"]}}', "task: Field required"),
        (MULTI_WORKER, environ({"boss": ["a:1"]}), r"cluster\.boss.*Received: 'boss'"),
        (MULTI_WORKER, environ(TWO, index=2), "one of the cluster's. Received: worker 2 of 2"),
        (MULTI_WORKER, environ(TWO, "chief"), "Received: chief 0 of 0"),
        (MULTI_WORKER, environ({"worker": ["a"]}), "must be host:port. Received: 'a'"),
        (MULTI_WORKER, environ({"worker": ["a:0"]}), "must be host:port. Received: 'a:0'"),
        (MULTI_WORKER, environ({"worker": ["a:70000"]}), "must be host:port"),
        (MULTI_WORKER, environ({"worker": ["a:1", "a:1"]}), "an address of its own"),
        (MULTI_WORKER, environ(SERVERS), "multi_worker needs workers.*'ps': 1"),
        (PARAMETER_SERVER, environ(TWO), "needs one chief.*Received: {'worker': 2}"),
    ],
)
def test_a_wrong_tf_config_is_refused_with_the_rule_and_the_value(options, value, rule):
    variables = value if isinstance(value, dict) else {"TF_CONFIG": value}
    with pytest.raises(ConfigError, match=f"TF_CONFIG: (?s:.*){rule}"):
        read_cluster(options, variables)


def test_a_port_in_use_is_said_with_its_address():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        cluster = read_cluster(MULTI_WORKER, environ({"worker": [address, "b:1"]}))
        with pytest.raises(InputError, match=f"worker 0 must be free.*Received: {address}"):
            check_port(cluster)
    check_port(cluster)


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [
        (
            {"kind": "mirrored", "devices": 64},
            r"devices: must be at most .*Received: 64, there are",
        ),
        ("tpu", r"address: must be that of a TPU.*Received: 'local'"),
    ],
)
def test_devices_that_are_not_there_are_asked_for_in_vain(strategy, rule):
    with pytest.raises(InputError, match=rule), distributed(parse_strategy(strategy), None):
        pass


def make_batches(sizes: list[int]) -> tf.data.Dataset:
    """Batches whose rows are numbered from 1 on."""
    ends = np.cumsum(sizes)
    batches = [np.arange(end - size, end) + 1 for size, end in zip(sizes, ends, strict=True)]
    return tf.data.Dataset.from_generator(
        lambda: ({"x": batch} for batch in batches),
        output_signature={"x": tf.TensorSpec([None], tf.int64)},
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("sizes", [[8, 8, 5], [7, 7, 1], [1, 1]])
def test_every_example_is_in_one_part_of_its_batch(workers, replicas, sizes):
    everyone = workers * replicas
    found: list[list[int]] = [[] for _ in sizes]
    for worker in range(workers):
        parts = cut_batches(make_batches(sizes), sizes[0], everyone, worker * replicas, replicas)
        for i, part in enumerate(parts.as_numpy_iterator()):
            present, total = find_part(part)
            assert len(present) == -(-sizes[0] // everyone), "all parts have one size"
            assert total == sizes[i // replicas]
            assert not part["x"][present == 0].any(), "padding is zeros"
            found[i // replicas] += part["x"][present == 1].tolist()
    assert [row for batch in found for row in sorted(batch)] == list(range(1, sum(sizes) + 1))


def test_shapes_of_parts_are_fixed():
    parts = cut_batches(make_batches([5, 2]), 5, 2)
    assert parts.element_spec["x"].shape.as_list() == [3]


def test_a_mean_over_examples_leaves_padding_out_and_counts_all_replicas():
    part = BatchPart(tf.constant([1.0, 1.0, 0.0]), tf.constant(8.0))
    values = tf.constant([2.0, 4.0, 100.0])
    assert float(mean_over_examples(values, part)) == 6.0 / 8.0
    np.testing.assert_array_equal(sum_over_examples(values[:, tf.newaxis], part), [6.0])


def test_a_part_without_examples_adds_nothing():
    part = BatchPart(tf.zeros([2]), tf.constant(5.0))
    assert float(mean_over_examples(tf.ones([2]), part)) == 0.0
