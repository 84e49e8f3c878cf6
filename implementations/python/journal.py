"""One shared log with live subscriptions.

A subscription gets, in order and once each, the entries that match its filter
and are written from then on. Everything here belongs to one event loop.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from bugs import Bugs

LEVELS = ("debug", "info", "warn", "error")
RANK = {level: rank for rank, level in enumerate(LEVELS)}

MAX_CONTAINS_BYTES = 256

# A subscription that holds more than this when entries are written is ended. A
# batch is taken whole, so that one large batch never ends a reader that keeps up.
MAX_QUEUED_BYTES = 4 << 20

ENTRY_OVERHEAD_BYTES = 96

# What the bug drop-oldest has room for.
FEW_ENTRIES = 500


class InvalidFilter(Exception):
    """A filter that was understood and refused."""


class TooSlow(Exception):
    """The reader of a subscription did not keep up."""


@dataclass(frozen=True, slots=True)
class Entry:
    sequence: int
    time: str
    level: str
    source: str
    message: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; None and an empty tuple do not constrain."""

    min_level: str | None = None
    sources: tuple[str, ...] = ()
    contains: str | None = None

    def check(self) -> None:
        if self.min_level is not None and self.min_level not in LEVELS:
            raise InvalidFilter(f"min_level is not one of {', '.join(LEVELS)}")
        if self.contains is not None and len(self.contains.encode("utf-8", "surrogatepass")) > MAX_CONTAINS_BYTES:
            raise InvalidFilter(f"contains is longer than {MAX_CONTAINS_BYTES} bytes")

    def matches(self, entry: Entry) -> bool:
        return (
            (self.min_level is None or RANK[entry.level] >= RANK[self.min_level])
            and (not self.sources or entry.source in self.sources)
            and (self.contains is None or self.contains in entry.message)
        )


class Journal:
    def __init__(self, bugs: Bugs) -> None:
        self.bugs = bugs
        self._last = 0
        self._subscriptions: set[Subscription] = set()

    async def append(self, drafts: Iterable[tuple[str, str, str]]) -> tuple[int, int]:
        """Writes (level, source, message) drafts as one batch with contiguous sequences."""
        first = self._last + 1
        batch = []
        for level, source, message in drafts:
            self._last += 1
            time = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            batch.append(Entry(self._last, time, level, source, message))
        last = self._last
        for subscription in list(self._subscriptions):
            if self.bugs.append_waits:
                await subscription.has_room()
            subscription.offer(batch)
        return first, last

    def subscribe(self) -> "Subscription":
        """A subscription without a filter: nothing reaches it before the first replace(). Close it."""
        subscription = Subscription(self.bugs, self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription


class Subscription:
    def __init__(self, bugs: Bugs, forget: Callable[["Subscription"], None]) -> None:
        self._bugs = bugs
        self._forget = forget
        self._filter: Filter | None = None
        self._queue: list[Entry] = []
        self._queued_bytes = 0
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self.overflowed = asyncio.Event()

    def replace(self, wanted: Filter) -> None:
        """Puts a valid filter in the place of the one before, for the entries written from now on."""
        self._filter = wanted

    def offer(self, batch: list[Entry]) -> None:
        wanted = self._filter
        if wanted is None:
            return
        if self._queued_bytes > MAX_QUEUED_BYTES and not self._bugs.drop_oldest:
            self.close()
            self.overflowed.set()
            return
        for entry in batch:
            if wanted.matches(entry):
                self._queue.append(entry)
                self._queued_bytes += ENTRY_OVERHEAD_BYTES + len(entry.source) + len(entry.message)
        if self._bugs.drop_oldest:
            del self._queue[:-FEW_ENTRIES]
        if self._queue:
            self._changed.set()

    async def take(self) -> list[Entry]:
        """Waits for matching entries and returns all that are there."""
        while not self._queue:
            self._changed.clear()
            await self._changed.wait()
        taken, self._queue, self._queued_bytes = self._queue, [], 0
        self._taken.set()
        return taken

    def pause(self) -> None:
        """Takes no more entries; what is queued stays."""
        self._filter = None

    async def has_room(self) -> None:
        while len(self._queue) > FEW_ENTRIES:
            self._taken.clear()
            await self._taken.wait()

    def close(self) -> None:
        self._forget(self)
        self._filter = None
        self._queue, self._queued_bytes = [], 0
        self._taken.set()  # nobody waits for room in a closed queue
