"""Time, delay and loss: an event queue, one-way pipes that keep order, requests that do not."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Any

Frame = list[Any]


class Violation(AssertionError):
    """The cores broke a promise."""


class Network:
    """The clock, the event queue, and how bad things are at present."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now = 0.0
        self.calm = False
        self.events = 0
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []

    def later(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        self.at(self.now + delay, call, *args)

    def at(self, time: float, call: Callable[..., object], *args: Any) -> None:
        self.events += 1
        heappush(self._heap, (time, self.events, call, args))

    def run(self, until: float, done: Callable[[], bool] | None = None) -> bool:
        """Let events happen up to a time, or until `done`. Say whether it is done."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, call, args = heappop(self._heap)
            call(*args)
            if done is not None and done():
                return True
        self.now = max(self.now, until)
        return done is not None and done()

    def chance(self, probability: float) -> bool:
        """Whether a misfortune happens; none does when it is calm."""
        return not self.calm and self.rng.random() < probability

    def latency(self) -> float:
        if self.calm:
            return 0.01
        return self.rng.uniform(0.01, 0.2) if self.rng.random() < 0.85 else self.rng.uniform(0.2, 2.5)

    def request(self, serve: Callable[..., None], answer: Callable[..., None], *args: Any) -> None:
        """Carry a request and its answer. Either may be lost or late; a retry on the way makes two of one."""
        waiting = [answer]

        def arrive(*items: Any) -> None:
            if waiting:
                waiting.pop()(*items)

        def respond(*items: Any) -> None:
            if not self.chance(0.12):
                self.later(self.latency(), arrive, *items)

        for _ in range(2 if self.chance(0.12) else 1):
            if not self.chance(0.1):
                self.later(self.latency(), serve, *args, respond)


class Pipe:
    """One direction of a stream: frames arrive in order or not at all."""

    __slots__ = ("_deliver", "_end", "_last", "_network", "open")

    def __init__(self, network: Network, deliver: Callable[[Frame], None]) -> None:
        self._network = network
        self._deliver = deliver
        self._last = 0.0
        self._end = inf
        self.open = True

    def send(self, frame: Frame) -> None:
        if self.open:
            self._last = max(self._last, self._network.now + self._network.latency())
            self._network.at(self._last, self._arrive, frame)

    def cut(self, grace: float) -> None:
        """Take no more; what is under way arrives for another `grace` seconds."""
        self.open = False
        self._end = min(self._end, self._network.now + grace)

    def _arrive(self, frame: Frame) -> None:
        if self._network.now <= self._end:
            self._deliver(frame)
