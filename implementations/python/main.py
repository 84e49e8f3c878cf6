"""A monitor server in idiomatic Python: grpc.aio on one port, aiohttp on the other, one journal behind both."""

import asyncio
import signal

import bugs
from aiohttp import web

import beside
import grpc_transport
import websocket_transport
from journal import Journal
from stream import Monitor

# What is still open this long after SIGTERM is cut.
STOP_WITHIN_S = 3


async def serve(options) -> None:
    planted = bugs.plant(options.bug)
    monitor = Monitor(Journal(planted), planted)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, monitor.stopping.set)

    grpc_server = grpc_transport.create_server(monitor)
    grpc_port = grpc_server.add_insecure_port(f"{options.host}:{options.grpc_port}")
    await grpc_server.start()

    app = web.Application(client_max_size=beside.MAX_BATCH_BYTES)
    app.add_routes([*beside.routes(monitor), websocket_transport.route(monitor)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WITHIN_S)
    await runner.setup()
    await web.TCPSite(runner, options.host, options.http_port).start()

    background = asyncio.create_task(beside.write_background(monitor.journal, options.rate))
    print(f"ready grpc={grpc_port} http={runner.addresses[0][1]}", flush=True)

    await monitor.stopping.wait()
    background.cancel()
    await asyncio.gather(grpc_server.stop(STOP_WITHIN_S), runner.cleanup())


def main() -> None:
    options = beside.read_options()
    if options.bug == "list":
        print(bugs.listed())
    else:
        asyncio.run(serve(options))


main()
