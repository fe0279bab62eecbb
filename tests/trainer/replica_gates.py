"""One training step of every gate on one device and on two: run as a script by the laws.

Logical devices are set before TensorFlow starts, so this needs a process of its own.
"""

import numpy as np

import trainer  # noqa: F401  (selects Keras 2)

import tensorflow as tf  # isort: skip
from gate_family import FAMILY, Case, spread, weighted_sum

ROWS = np.random.default_rng(5).normal(size=(8, 4)).astype(np.float32)


def train(case: Case, strategy: tf.distribute.Strategy) -> tuple[list, list]:
    """Variables and gradients after three steps over the same eight examples."""
    with strategy.scope():
        gate = spread(case.make())
        cotangent = tf.random.stateless_normal([3, gate.num_experts], [1, 2])
    replicas = strategy.num_replicas_in_sync

    def step(rows: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            output = gate(rows, training=True)
            per_row = weighted_sum(output, cotangent) / (8 if gate.per_example else 1)
            loss = per_row * (replicas if gate.per_example else 1)
            loss = tf.add_n([loss, *output.penalties.values()]) / replicas
        return tape.gradient(loss, gate.trainable_variables)

    run = tf.function(lambda rows: strategy.run(step, args=(rows,)), autograph=False)
    per_replica = 8 // replicas
    shards = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            ROWS[context.replica_id_in_sync_group * per_replica :][:per_replica]
        )
    )
    for _ in range(3):
        gradients = [strategy.reduce("SUM", g, axis=None) for g in run(shards)]
    return [v.numpy() for v in gate.weights], [g.numpy() for g in gradients]


def main() -> None:
    """Raises if two replicas differ from one."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    one = tf.distribute.get_strategy()
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name, case in FAMILY.items():
        if case.kind == "sampled":
            # Each replica routes its own examples, so two are not one; but they train.
            assert all(np.isfinite(values).all() for values in train(case, two)[1]), name
            continue
        if case.is_random:
            continue
        for left, right in zip(train(case, one), train(case, two), strict=True):
            for a, b in zip(left, right, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-5, err_msg=name)


if __name__ == "__main__":
    main()
