"""The WebSocket transport, on aiohttp."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from aiohttp import WSCloseCode, WSMsgType, web

from journal import Entry, Filter, InvalidFilter, TooSlow
from stream import Monitor, Stopping

MAX_FILTER_BYTES = 64 << 10

# How long what was sent may take to leave after the stream has ended, before the connection is cut.
DRAIN_WITHIN_S = 10

# How long the client has for its half of the closing handshake before the server closes its half of
# the connection, and before it closes all of it.
CLOSE_WITHIN_S = 0.7
LINGER_WITHIN_S = 5


class Refused(Exception):
    """A frame that carries no filter."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Gone(Exception):
    """The connection is over; the library has answered what there was to answer."""


def route(monitor: Monitor) -> web.RouteDef:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Sec-WebSocket-Version", "13") != "13":  # aiohttp would take 7 and 8, too
            return web.Response(status=426, headers={"Sec-WebSocket-Version": "13"})
        # aiohttp refuses a message of max_msg_size bytes
        socket = web.WebSocketResponse(max_msg_size=MAX_FILTER_BYTES + 1, compress=False, timeout=LINGER_WITHIN_S)
        await socket.prepare(request)
        try:
            await monitor.serve(filters_of(socket, monitor.bugs.empty_is_none), sender_of(socket))
            await close(socket, request, WSCloseCode.OK)
        except Gone:
            pass
        except Refused as error:
            await close(socket, request, error.code, str(error))
        except InvalidFilter as error:
            if monitor.bugs.value_error:
                raise
            await close(socket, request, WSCloseCode.POLICY_VIOLATION, str(error))
        except TooSlow as error:
            await close(socket, request, WSCloseCode.TRY_AGAIN_LATER, str(error))
        except Stopping as error:
            await close(socket, request, WSCloseCode.GOING_AWAY, str(error))
        return socket

    return web.get("/logs/monitor", handler)


async def filters_of(socket: web.WebSocketResponse, empty_is_none: bool) -> AsyncIterator[Filter]:
    while True:
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            raise Refused(WSCloseCode.UNSUPPORTED_DATA, "filters are text frames")
        if message.type is not WSMsgType.TEXT:
            raise Gone
        try:
            received = json.loads(message.data)
        except ValueError as error:
            raise Refused(WSCloseCode.INVALID_TEXT, f"not JSON: {error}") from error
        if received is None or (empty_is_none and not received):
            return
        yield checked(received)


def checked(received: object) -> Filter:
    def text(name: str) -> str | None:
        value = received.get(name)
        if value is not None and not isinstance(value, str):
            raise Refused(WSCloseCode.INVALID_TEXT, f"{name} must be a string")
        return value

    if not isinstance(received, dict):
        raise Refused(WSCloseCode.INVALID_TEXT, "a filter is an object")
    sources = received.get("sources") or []
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise Refused(WSCloseCode.INVALID_TEXT, "sources must be a list of strings")
    return Filter(text("min_level"), tuple(sources), text("contains"))


def sender_of(socket: web.WebSocketResponse):
    async def send(entry: Entry) -> None:
        await socket.send_str(json.dumps(asdict(entry), ensure_ascii=False))

    return send


async def close(socket: web.WebSocketResponse, request: web.Request, code: int, reason: str = "") -> None:
    """Sends Close behind what was sent.

    Where the client doesn't answer, only our half of the connection is closed: closing both would
    reset it under a client that is behind. One that takes nothing at all is cut.
    """
    transport = request.transport
    if transport is None:
        return
    enough = asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, transport.write_eof)
    try:
        async with asyncio.timeout(DRAIN_WITHIN_S):
            await socket.close(code=code, message=reason.encode()[:100])
    except TimeoutError:
        transport.abort()
    finally:
        enough.cancel()
