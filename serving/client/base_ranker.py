"""What the clients for threads and for event loops have in common: how they are made."""

from typing import Generic, TypeVar

from serving.client.conversation import Conversation
from serving.client.options import Limits, Retry, Timeout, Tls
from serving.client.steps import Clock
from serving.client.target import ModelAddress, Target

TransportT = TypeVar("TransportT")


class BaseRanker(Generic[TransportT]):
    """Holds a conversation with a model, and what carries it; see `Ranker` for arguments."""

    def __init__(
        self,
        url: str,
        model: str = "ranker",
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: Timeout | None = None,
        limits: Limits | None = None,
        retry: Retry | None = None,
        tls: Tls | None = None,
        transport: TransportT | None = None,
        clock: Clock | None = None,
        with_ids: bool = False,
    ) -> None:
        timeout, limits = timeout or Timeout(), limits or Limits()
        address = ModelAddress(model, version, label)
        target = Target(url, address, timeout, limits, tls or Tls())
        self._clock = clock or Clock()
        self._conversation = Conversation(
            url, timeout, limits, retry or Retry(), self._clock, with_ids
        )
        self._transport = transport or self._open(target)
        self._is_closed = False

    def _open(self, target: Target) -> TransportT:
        """The transport that the URL names."""
        raise NotImplementedError
