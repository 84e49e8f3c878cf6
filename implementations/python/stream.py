"""What both transports do with a stream: take filters, send entries, and end once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import wrong
from bugs import Bugs
from journal import Entry, Filter, Journal, Subscription, TooSlow

Send = Callable[[Entry], Awaitable[None]]


class Stopping(Exception):
    """The server is going down."""


@dataclass
class Monitor:
    """What all streams share."""

    journal: Journal
    bugs: Bugs
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    open_streams: int = 0

    async def serve(self, filters: AsyncIterator[Filter], send: Send) -> None:
        """Serves one stream until the client ends it.

        Raises what ended it otherwise: InvalidFilter, TooSlow, Stopping, and whatever `filters` and
        `send` raise. A send that is blocked on a slow reader does not hold it up.
        """
        self.open_streams += 1
        subscription = self.journal.subscribe()
        receiving = asyncio.create_task(self._receive(filters, subscription, send))
        sending = asyncio.create_task(self._send(subscription, send))
        overflowed = asyncio.create_task(subscription.overflowed.wait())
        stopping = asyncio.create_task(self.stopping.wait())
        tasks = [receiving, sending, overflowed, stopping]
        try:
            if self.bugs.waits_for_both:
                await asyncio.gather(receiving, sending)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                receiving.result()
            elif sending.done():
                sending.result()
            elif overflowed.done():
                raise TooSlow("the reader is too slow")
            else:
                raise Stopping("the server is stopping")
        finally:
            for task in tasks:
                task.cancel()
            if not self.bugs.swallowed_cancel:
                subscription.close()
                self.open_streams -= 1
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, filters: AsyncIterator[Filter], subscription: Subscription, send: Send) -> None:
        if self.bugs.two_senders:
            await wrong.receive_with_two_senders(self.journal, filters, send)
            return
        async for wanted in filters:
            wanted.check()
            subscription.replace(wrong.understood(self.bugs, wanted))

    async def _send(self, subscription: Subscription, send: Send) -> None:
        if self.bugs.swallowed_cancel:
            await wrong.send_whatever_happens(subscription, send)
            return
        while True:
            for entry in await subscription.take():
                await send(entry)
