"""Makes the strategy that the YAML asks for, and what training needs to know of it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import tensorflow as tf

from trainer.checkpoints.progress import START, Position
from trainer.dataset import Batches
from trainer.strategies.cluster import Cluster, check_port
from trainer.strategies.options import (
    MirroredOptions,
    MultiWorkerOptions,
    ParameterServerOptions,
    StrategySection,
    TpuOptions,
)
from trainer.strategies.parts import cut_batches
from transforms.errors import ClusterError, InputError

# What TensorFlow raises when a process that it talks to is gone.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


@dataclass(frozen=True)
class Distribution:
    """Where a training's replicas are, and this process among them.

    Attributes:
        strategy: whose scope makes the variables.
        cuts: whether replicas take a step together, each with a part of the batch.
        asynchronous_workers: how many step each by itself (`trainer.strategies.asynchronous`);
            0 if all step together.
        index: of this process among those that train; the chief is 0.
        in_step: how many processes step together.
    """

    strategy: tf.distribute.Strategy
    cuts: bool = False
    asynchronous_workers: int = 0
    index: int = 0
    in_step: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what the training leaves."""
        return self.index == 0

    @property
    def is_local(self) -> bool:
        """Whether variables are TensorFlow's plain ones, with nothing to gather."""
        return not self.cuts and not self.asynchronous_workers

    def add_up(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over the processes that step together.

        All of them have to ask at the same place, and wait for each other there.

        Args:
            values: of this process; as many in all processes.
        """
        if self.in_step == 1:
            return list(values)
        local = self.strategy.num_replicas_in_sync // self.in_step
        totals = _add_up(self.strategy, tf.constant(values, tf.float64) / local)
        return [float(v) for v in self.strategy.experimental_local_results(totals)[0].numpy()]

    def distribute(
        self, batches: Batches, start: Position = START
    ) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        """Epoch after epoch for Keras: the same batches whatever the strategy.

        Every process reads all files and cuts its parts from each batch, which is why no
        example is lost or repeated; it costs each the reading and the memory of one device.

        Args:
            batches: of a split.
            start: the first of the batches.
        """
        if not self.cuts:
            return batches.endless(*start).prefetch(tf.data.AUTOTUNE)
        replicas = self.strategy.num_replicas_in_sync
        # Else workers would ask each other before each step whether there is one.
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)

        def make_parts(context: tf.distribute.InputContext) -> tf.data.Dataset:
            count = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * count
            whole = batches.endless(*start)
            parts = cut_batches(whole, batches.batch_size, replicas, first, count)
            return parts.apply(endless).prefetch(tf.data.AUTOTUNE)

        return self.strategy.distribute_datasets_from_function(make_parts)


@tf.function
def _add_up(strategy: tf.distribute.Strategy, values: tf.Tensor) -> tf.Tensor:
    def add(mine: tf.Tensor) -> tf.Tensor:
        context, here = tf.distribute.get_replica_context(), tf.identity(mine)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, here)  # of a tensor with a device

    return strategy.run(add, args=(values,))


def one_device() -> Distribution:
    """TensorFlow's default: the first GPU, or the CPU."""
    return Distribution(tf.distribute.get_strategy())


@contextmanager
def distributed(options: StrategySection, cluster: Cluster | None) -> Iterator[Distribution]:
    """The strategy; at the end, waits until every process has come to its end.

    Args:
        options: the `training.strategy` section.
        cluster: from `read_cluster`, of a strategy of several processes.

    Raises:
        InputError: if devices are missing, or a port is in use.
        ClusterError: if a process of the cluster ends before the block does.
    """
    if cluster is None:
        yield _make_local(options)
        return
    check_port(cluster)
    try:
        place = _make_clustered(options, cluster)
        yield place
        if place.cuts:
            place.strategy.reduce("SUM", tf.ones([]), axis=None)
    except _LOST as error:
        raise ClusterError(
            f"{cluster.name}: another process of the cluster has ended or cannot be reached: "
            f"{error.message.strip().splitlines()[-1]:.500}"
        ) from error


def _make_local(options: StrategySection) -> Distribution:
    if isinstance(options, MirroredOptions):
        return Distribution(_mirror(options), cuts=True)
    if isinstance(options, TpuOptions):
        return Distribution(_find_tpu(options), cuts=True)
    return one_device()


def _mirror(options: MirroredOptions) -> tf.distribute.Strategy:
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    wanted = options.devices or len(found)
    if wanted > len(found):
        raise InputError(
            "training.strategy.devices: must be at most the devices of this machine. "
            f"Received: {wanted}, there are {len(found)} ({found[0].device_type})"
        )
    return tf.distribute.MirroredStrategy([device.name for device in found[:wanted]])


def _find_tpu(options: TpuOptions) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=options.address)
        if options.address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"training.strategy.address: must be that of a TPU: {error!s:.300}. "
            f"Received: {options.address!r}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _make_clustered(options: StrategySection, cluster: Cluster) -> Distribution:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if isinstance(options, ParameterServerOptions):
        strategy = tf.distribute.ParameterServerStrategy(resolver)
        return Distribution(strategy, asynchronous_workers=len(cluster.cluster["worker"]))
    assert isinstance(options, MultiWorkerOptions)
    implementation = tf.distribute.experimental.CommunicationImplementation
    communication = tf.distribute.experimental.CommunicationOptions(
        implementation=implementation[options.communication.upper()]
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, communication)
    except RuntimeError as error:
        raise InputError(
            "training.strategy: multi_worker must be the first that TensorFlow does in a "
            f"process; start `python -m trainer.strategies.member`. TensorFlow: {error}"
        ) from error
    in_step = sum(map(len, cluster.cluster.values()))
    return Distribution(strategy, cuts=True, index=cluster.index, in_step=in_step)


def serve(cluster: Cluster) -> None:
    """A worker or parameter server at the service of the chief; ends with the process."""
    check_port(cluster)
    # What a worker waits for may come from an op that waits itself: with a thread less than
    # workers and chief together, as by default on a small machine, all may wait for ever.
    threads = max(len(os.sched_getaffinity(0)), len(cluster.cluster["worker"]) + 1)
    tf.distribute.Server(
        tf.train.ClusterSpec({job: list(them) for job, them in cluster.cluster.items()}),
        job_name=cluster.task.type,
        task_index=cluster.task.index,
        protocol="grpc",
        config=tf.compat.v1.ConfigProto(inter_op_parallelism_threads=threads),
    ).join()
