"""What the server offers beside its streams: command line, producer, probe and background entries."""

import argparse
import asyncio
import os
import time
from pathlib import Path

from aiohttp import web

from journal import LEVELS, Journal
from stream import Monitor

MAX_BATCH_BYTES = 16 << 20
SOURCES = ("alpha", "beta", "gamma")
BACKGROUND_INTERVAL_S = 0.005


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A monitor server: grpc.aio and aiohttp.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--grpc-port", type=int, default=50051, help="0: any free one")
    parser.add_argument("--http-port", type=int, default=8080, help="0: any free one")
    parser.add_argument("--rate", type=float, default=1000, help="background entries a second, 0: none")
    parser.add_argument("--bug", default="", metavar="NAME", help='plant a defect, or "list" to see them')
    return parser.parse_args()


async def write_background(journal: Journal, rate: float) -> None:
    """Writes `rate` entries a second until it is cancelled."""
    start, written = time.monotonic(), 0
    while rate > 0:
        await asyncio.sleep(BACKGROUND_INTERVAL_S)
        due = int((time.monotonic() - start) * rate)
        while written < due:
            await journal.append([(LEVELS[written % len(LEVELS)], SOURCES[written % len(SOURCES)], f"tick {written + 1}")])
            written += 1


def routes(monitor: Monitor) -> list[web.RouteDef]:
    async def produce(request: web.Request) -> web.Response:
        try:
            drafts = checked_drafts(await request.json())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        first, last = await monitor.journal.append(drafts)
        return web.json_response({"first": first, "last": last}, status=202)

    async def stats(_: web.Request) -> web.Response:
        return web.json_response({"open_streams": monitor.open_streams, "rss_bytes": resident_bytes()})

    return [web.post("/logs", produce), web.get("/stats", stats)]


def checked_drafts(posted: object) -> list[tuple[str, str, str]]:
    if not isinstance(posted, list) or not posted:
        raise ValueError("the body is an array of entries")
    return [checked_draft(index, draft) for index, draft in enumerate(posted)]


def checked_draft(index: int, draft: object) -> tuple[str, str, str]:
    if not isinstance(draft, dict):
        raise ValueError(f"entry {index} is not an object")
    level, source, message = (draft.get(name) for name in ("level", "source", "message"))
    if not (isinstance(level, str) and isinstance(source, str) and isinstance(message, str)):
        raise ValueError(f"entry {index}: level, source and message must be strings")
    if level not in LEVELS:
        raise ValueError(f"entry {index}: level is not one of {', '.join(LEVELS)}")
    return level, well_formed(source), well_formed(message)


def well_formed(text: str) -> str:
    """Replaces lone surrogates: they have no UTF-8, and on gRPC would make the whole entry unsendable."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def resident_bytes() -> int:
    """The process's resident memory as Linux counts it, 0 elsewhere."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
