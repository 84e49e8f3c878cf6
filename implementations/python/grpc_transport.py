"""The gRPC transport, on grpc.aio."""

from collections.abc import AsyncIterator

import grpc
import logger_pb2
import logger_pb2_grpc
from grpc_reflection.v1alpha import reflection

from journal import Entry, Filter, InvalidFilter, TooSlow
from stream import Monitor, Stopping

MAX_FILTER_BYTES = 64 << 10


def create_server(monitor: Monitor) -> grpc.aio.Server:
    """A server that has no port yet."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MAX_FILTER_BYTES),
            ("grpc.server_handshake_timeout_ms", 5000),
            ("grpc.so_reuseport", 0),
        ]
    )
    logger_pb2_grpc.add_LoggerServicer_to_server(Logger(monitor), server)
    services = (logger_pb2.DESCRIPTOR.services_by_name["Logger"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(services, server)
    return server


class Logger(logger_pb2_grpc.LoggerServicer):
    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    async def Monitor(self, request_iterator: AsyncIterator, context: grpc.aio.ServicerContext) -> None:
        async def filters() -> AsyncIterator[Filter]:
            async for request in request_iterator:
                yield Filter(
                    min_level=request.min_level if request.HasField("min_level") else None,
                    sources=tuple(request.sources),
                    contains=request.contains if request.HasField("contains") else None,
                )

        async def send(entry: Entry) -> None:
            await context.write(
                logger_pb2.MonitorResponse(
                    sequence=entry.sequence, time=entry.time, level=entry.level, source=entry.source, message=entry.message
                )
            )

        # A first write that is cancelled would leave it open whether these have gone, and the call
        # without an end.
        await context.send_initial_metadata(())
        try:
            await self._monitor.serve(filters(), send)
        except InvalidFilter as error:
            if self._monitor.bugs.value_error:
                raise
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TooSlow as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except Stopping as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
