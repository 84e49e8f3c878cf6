"""The longer of the planted bugs; bugs.py says what they are."""

import asyncio
import time
from dataclasses import asdict

from bugs import Bugs
from journal import Entry, Filter, Journal, Subscription


def understood(bugs: Bugs, wanted: Filter) -> Filter:
    """The filter as a server with the bug understands it."""
    if bugs.blocking_check:
        time.sleep(0.05)
    if bugs.mutable_default:
        return merged(wanted)
    if bugs.levels_as_text:
        return LevelsAsText(**asdict(wanted))
    return wanted


def merged(update: Filter, current: dict = {}) -> Filter:  # noqa: B006
    current.update({name: value for name, value in asdict(update).items() if value})
    return SharedFilter(current)


class SharedFilter(Filter):
    """A filter that looks at a dictionary which others change."""

    __slots__ = ("_current",)

    def __init__(self, current: dict) -> None:
        super().__init__()
        object.__setattr__(self, "_current", current)

    def matches(self, entry: Entry) -> bool:
        return Filter(**self._current).matches(entry)


class LevelsAsText(Filter):
    def matches(self, entry: Entry) -> bool:
        rest = Filter(sources=self.sources, contains=self.contains)
        return (self.min_level is None or entry.level >= self.min_level) and rest.matches(entry)


async def send_whatever_happens(subscription: Subscription, send) -> None:
    while True:
        try:
            for entry in await subscription.take():
                await send(entry)
        except:  # noqa: E722
            pass


async def receive_with_two_senders(journal: Journal, filters, send) -> None:
    one_at_a_time = asyncio.Lock()

    async def drain(subscription: Subscription) -> None:
        while True:
            for entry in await subscription.take():
                async with one_at_a_time:
                    await send(entry)

    subscriptions = []
    senders = []
    try:
        async for wanted in filters:
            wanted.check()
            for former in subscriptions:
                former.pause()
            current = journal.subscribe()
            current.replace(wanted)
            subscriptions.append(current)
            senders.append(asyncio.create_task(drain(current)))
    finally:
        for subscription in subscriptions:
            subscription.close()
        for sender in senders:
            sender.cancel()
