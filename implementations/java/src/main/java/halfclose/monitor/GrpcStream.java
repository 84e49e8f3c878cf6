package halfclose.monitor;

import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import logger.LoggerGrpc;
import logger.LoggerOuterClass.MonitorResponse;
import logger.LoggerOuterClass.MonitorStreamingRequest;

/** One gRPC stream. */
final class GrpcStream implements StreamObserver<MonitorStreamingRequest>, Streams.Stoppable {
    /** The service that makes a stream of each call. */
    static final class Service extends LoggerGrpc.LoggerImplBase {
        private final Streams streams;

        Service(Streams streams) {
            this.streams = streams;
        }

        @Override
        public StreamObserver<MonitorStreamingRequest> monitor(StreamObserver<MonitorResponse> responses) {
            return new GrpcStream(streams, (ServerCallStreamObserver<MonitorResponse>) responses);
        }
    }

    private final Streams streams;
    private final ServerCallStreamObserver<MonitorResponse> responses;
    private final Subscription subscription;
    private boolean over;

    private GrpcStream(Streams streams, ServerCallStreamObserver<MonitorResponse> responses) {
        this.streams = streams;
        this.responses = responses;
        // Not this thread, which writes to the log: what follows may wait for a send.
        subscription = streams.journal.subscribe(() -> streams.executor.execute(this::send));
        responses.setOnReadyHandler(this::send);
        if (streams.bug != Bug.NO_CANCEL_HANDLER) {
            responses.setOnCancelHandler(() -> end(null));
            responses.setOnCloseHandler(() -> end(null)); // the library closes a call by itself when a message can't be read
        }
        streams.add(this);
    }

    @Override
    public void onNext(MonitorStreamingRequest request) {
        Filter filter = new Filter(
                request.hasMinLevel() ? request.getMinLevel() : null,
                request.getSourcesList(),
                request.hasContains() ? request.getContains() : null);
        String fault = filter.fault(streams.bug == Bug.LIMIT_IN_CHARS);
        if (fault != null && streams.bug == Bug.THROWN_IN_ON_NEXT) {
            throw new IllegalArgumentException(fault);
        }
        if (fault != null) {
            end(Status.INVALID_ARGUMENT.withDescription(fault));
            return;
        }
        subscription.replace(filter);
        while (streams.bug == Bug.BLOCKING_TAKE && !responses.isCancelled()) {
            send();
            Thread.onSpinWait();
        }
    }

    @Override
    public void onError(Throwable cancelled) {
        if (streams.bug != Bug.NO_CANCEL_HANDLER) {
            end(null);
        }
    }

    @Override
    public void onCompleted() {
        end(Status.OK);
    }

    @Override
    public void stop() {
        end(Status.UNAVAILABLE.withDescription("the server is stopping"));
    }

    /** Sends what there is room for; onReady calls again when there is more. */
    private synchronized void send() {
        if (subscription.overflowed()) {
            end(Status.RESOURCE_EXHAUSTED.withDescription("the reader is too slow"));
        }
        while (!over && (responses.isReady() || streams.bug == Bug.IGNORES_IS_READY)) {
            Entry entry = subscription.poll();
            if (entry == null) {
                return;
            }
            responses.onNext(MonitorResponse.newBuilder()
                    .setSequence(entry.sequence())
                    .setTime(entry.time())
                    .setLevel(entry.level())
                    .setSource(entry.source())
                    .setMessage(entry.message())
                    .build());
        }
    }

    /** Ends the stream once; null where nobody is there to be told. */
    private synchronized void end(Status status) {
        if (over) {
            return;
        }
        over = true;
        streams.remove(this);
        subscription.close();
        if (status == null || responses.isCancelled()) {
            return;
        }
        if (status.isOk()) {
            responses.onCompleted();
        } else {
            responses.onError(status.asRuntimeException());
        }
    }
}
