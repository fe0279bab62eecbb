"""Training steps of every balance of losses on one device and on two: run as a script by a test.

Logical devices are set before TensorFlow starts, so this needs a process of its own.
"""

import numpy as np

import trainer  # noqa: F401  (selects Keras 2)

import tensorflow as tf  # isort: skip
from small_ranker import make_batch, make_config, make_ranker

from trainer.loss.options import LOSS_BALANCES
from trainer.strategies.parts import cut_batches

STEPS, SIZE = 4, 15
CHAINS = {
    "like": {"chain": {"after": "click", "kind": "esmm"}},
    "watch": {"chain": {"after": "like", "kind": "aitm"}},
}


def train(balance: str, strategy: tf.distribute.Strategy) -> list[np.ndarray]:
    """All weights after some steps over the same examples, of which the replicas get parts."""
    config = make_config(
        CHAINS,
        model={"own_experts": 1, "extraction_levels": 2, "wide": True},
        gate={"kind": "dselect_k", "experts_per_task": 2, "initial_scale": 0.3},
        training={"loss_balance": balance, "l2": 1e-3, "embedding_l2": 1e-2},
    )
    with strategy.scope():
        ranker = make_ranker(config)
    replicas = strategy.num_replicas_in_sync
    run = tf.function(lambda parts: strategy.run(ranker.train_step, args=(parts,)))
    for step in range(STEPS):
        batch = tf.data.Dataset.from_tensors(make_batch(SIZE, seed=step))
        parts = list(cut_batches(batch, SIZE, replicas, 0, replicas))
        run(
            strategy.experimental_distribute_values_from_function(
                lambda context, parts=parts: parts[context.replica_id_in_sync_group]
            )
        )
    return ranker.get_weights()


def main() -> None:
    """Raises if two replicas differ from one."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    one = tf.distribute.get_strategy()
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for balance in LOSS_BALANCES:
        for a, b in zip(train(balance, one), train(balance, two), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, err_msg=balance)


if __name__ == "__main__":
    main()
