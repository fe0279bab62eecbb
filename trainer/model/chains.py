"""Chains of tasks: what happens only after something else did."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from trainer.batch_part import BatchPart, mean_over_examples
from transforms.tasks import Chain, Task


class Link(NamedTuple):
    """A task and the one before it.

    Attributes:
        task: its place among all tasks.
        after: the place of the one before.
        chain: the section of the YAML.
    """

    task: int
    after: int
    chain: Chain


def has_chains(tasks: Mapping[str, Task]) -> bool:
    """Whether any task takes over from another."""
    return any(task.chain is not None for task in tasks.values())


def find_links(tasks: Mapping[str, Task]) -> list[Link]:
    """All links; each comes after that of the task before, if that one has any.

    Args:
        tasks: the YAML's tasks, whose chains have a beginning.
    """
    places = {name: place for place, name in enumerate(tasks)}
    links = {
        place: Link(place, places[task.chain.after], task.chain)
        for place, task in enumerate(tasks.values())
        if task.chain is not None
    }

    def depth(link: Link) -> int:
        steps, before = 0, link.after
        while before in links:
            steps, before = steps + 1, links[before].after
        return steps

    return sorted(links.values(), key=depth)


def joint_logit(before: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
    """The log-odds of p = sigmoid(a) sigmoid(b): -log(e^-a + e^-b + e^(-a-b)).

    Args:
        before: a, of the task before, [B].
        given: b, of the task if that happens, [B].

    Example:
        >>> joint = joint_logit(tf.constant([0.0]), tf.constant([0.0]))
        >>> round(float(tf.sigmoid(joint)[0]), 6)
        0.25
    """
    terms = tf.stack([-before, -given, -before - given])
    return -tf.reduce_logsumexp(terms, axis=0)


class InformationTransfer(tf.keras.layers.Layer):
    """z = sum_u softmax_u(<K u, Q u> / sqrt(d)) V u over u in {relu(W z' + b), q}.

    z' is what the task before ended with, q the task's own tower.

    Args:
        units: d, the width of a tower.
        name: of the layer.

    Reference: Xi et al., KDD 2021, arXiv 2105.08489, section 3.3.
    """

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units
        self.message = tf.keras.layers.Dense(units, "relu", name="message")
        self.values, self.keys, self.queries = (
            tf.keras.layers.Dense(units, use_bias=False, name=part)
            for part in ("values", "keys", "queries")
        )

    def call(self, before: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        """z' [B, d] and q [B, d] -> z [B, d]."""
        both = tf.stack([self.message(before), own])  # [2, B, d]
        match = tf.reduce_sum(self.keys(both) * self.queries(both), -1, keepdims=True)
        weights = tf.nn.softmax(match * self.units**-0.5, axis=0)  # [2, B, 1]
        return tf.reduce_sum(weights * self.values(both), axis=0)


class TaskChains(tf.keras.layers.Layer):
    """All chains of a ranker; a task that is in none stays as it is.

    Every method takes some of the tasks, as long as those before them are among them.

    Args:
        tasks: the YAML's tasks.

    Reference: ESMM: Ma et al., SIGIR 2018, arXiv 1804.07931. AITM: `InformationTransfer`.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        super().__init__(name="chains")
        self.links = find_links(tasks)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Makes an attention for each `aitm`."""
        units = int(input_shape[-1])
        self.transfers = {
            str(link.task): InformationTransfer(units, f"transfer_{link.task}")
            for link in self.links
            if link.chain.kind == "aitm"
        }
        super().build(input_shape)

    def with_earlier(self, tasks: Sequence[int]) -> list[int]:
        """The tasks and all before them, rising."""
        wanted = set(tasks)
        for link in reversed(self.links):
            if link.task in wanted:
                wanted.add(link.after)
        return sorted(wanted)

    def call(self, towers: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """What the heads read: towers [t, B, u] of some tasks -> [t, B, u]."""
        found = dict(zip(tasks, tf.unstack(towers, num=len(tasks)), strict=True))
        for link in self.links:
            if link.task in found and link.chain.kind == "aitm":
                transfer = self.transfers[str(link.task)]
                found[link.task] = transfer(found[link.after], found[link.task])
        return tf.stack([found[task] for task in tasks])

    def join(self, logits: tf.Tensor, tasks: Sequence[int]) -> tf.Tensor:
        """Log-odds given the tasks before -> log-odds of all together, [t, B]."""
        found = dict(zip(tasks, tf.unstack(logits, num=len(tasks)), strict=True))
        for link in self.links:
            if link.task in found and link.chain.kind == "esmm":
                found[link.task] = joint_logit(found[link.after], found[link.task])
        return tf.stack([found[task] for task in tasks])

    def penalties(self, logits: tf.Tensor, part: BatchPart | None) -> dict[str, tf.Tensor]:
        """weight * mean over examples of max(0, p - p'), of all tasks [T, B]."""
        return {
            f"expectation_{link.task}": link.chain.expectation_weight
            * mean_over_examples(
                tf.nn.relu(tf.sigmoid(logits[link.task]) - tf.sigmoid(logits[link.after])), part
            )
            for link in self.links
            if link.chain.expectation_weight
        }

    def own_rates(self, means: tf.Tensor) -> tf.Tensor:
        """Mean labels [T] -> those given the task before, where p is a product."""
        rates = tf.unstack(means)
        for link in self.links:
            if link.chain.kind == "esmm":
                rate = tf.math.divide_no_nan(means[link.task], means[link.after])
                rates[link.task] = tf.minimum(rate, 1.0)
        return tf.stack(rates)
