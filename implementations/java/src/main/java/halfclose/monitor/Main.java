package halfclose.monitor;

import io.grpc.Server;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.HashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.websocket.server.WebSocketUpgradeHandler;

/** A monitor server in idiomatic Java: grpc-java on one port, Jetty on the other, one journal behind both. */
public final class Main {
    private static final List<String> SOURCES = List.of("alpha", "beta", "gamma");
    private static final long BACKGROUND_INTERVAL_MS = 5;

    /** What is still open this long after SIGTERM is cut: gRPC first, then WebSocket. */
    private static final long STOP_WITHIN_MS = 2_500;
    private static final long CLOSE_WITHIN_MS = 1_000;

    /** A client that has not finished its handshake by then is dropped. */
    private static final long HANDSHAKE_WITHIN_MS = 5_000;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        try {
            Map<String, String> options = options(arguments);
            if (options.get("--bug").equals("list")) {
                System.out.print(Bug.list());
            } else {
                serve(options);
            }
        } catch (IllegalArgumentException wrong) {
            System.err.println(wrong.getMessage());
            System.exit(1);
        }
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new HashMap<>(
                Map.of("--host", "127.0.0.1", "--grpc-port", "50051", "--http-port", "8080", "--rate", "1000", "--bug", "none"));
        for (int i = 0; i < arguments.length; i += 2) {
            if (!options.containsKey(arguments[i]) || i + 1 == arguments.length) {
                throw new IllegalArgumentException("no option " + arguments[i] + ", or it lacks its value: there are " + options.keySet());
            }
            options.put(arguments[i], arguments[i + 1]);
        }
        return options;
    }

    private static void serve(Map<String, String> options) throws Exception {
        Bug bug = Bug.named(options.get("--bug"));
        Journal journal = new Journal(bug);
        ExecutorService executor = Executors.newCachedThreadPool();
        Streams streams = new Streams(journal, bug, executor);

        Server grpcServer = NettyServerBuilder
                .forAddress(new InetSocketAddress(options.get("--host"), Integer.parseInt(options.get("--grpc-port"))))
                .maxInboundMessageSize(WebSocketStream.MAX_FILTER_BYTES)
                .handshakeTimeout(HANDSHAKE_WITHIN_MS, TimeUnit.MILLISECONDS)
                .permitKeepAliveTime(1, TimeUnit.SECONDS)
                .permitKeepAliveWithoutCalls(true)
                .executor(executor)
                .addService(new GrpcStream.Service(streams))
                .addService(ProtoReflectionServiceV1.newInstance())
                .build()
                .start();
        org.eclipse.jetty.server.Server httpServer = httpServer(options, streams);
        httpServer.start();

        ScheduledExecutorService background = Executors.newSingleThreadScheduledExecutor();
        writeBackground(background, journal, Double.parseDouble(options.get("--rate")));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(background, grpcServer, httpServer, streams)));
        int httpPort = ((ServerConnector) httpServer.getConnectors()[0]).getLocalPort();
        System.out.println("ready grpc=" + grpcServer.getPort() + " http=" + httpPort);
        grpcServer.awaitTermination();
    }

    private static org.eclipse.jetty.server.Server httpServer(Map<String, String> options, Streams streams) {
        org.eclipse.jetty.server.Server server = new org.eclipse.jetty.server.Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost(options.get("--host"));
        connector.setPort(Integer.parseInt(options.get("--http-port")));
        connector.setIdleTimeout(HANDSHAKE_WITHIN_MS);
        server.addConnector(connector);
        WebSocketUpgradeHandler webSockets = WebSocketUpgradeHandler.from(server, container -> {
            container.setMaxTextMessageSize(WebSocketStream.MAX_FILTER_BYTES);
            container.setMaxBinaryMessageSize(WebSocketStream.MAX_FILTER_BYTES);
            container.setIdleTimeout(Duration.ZERO);
            container.addMapping("/logs/monitor", (request, response, callback) -> new WebSocketStream(streams));
        });
        webSockets.setHandler(new Producer(streams.journal));
        server.setHandler(webSockets);
        return server;
    }

    private static void writeBackground(ScheduledExecutorService timer, Journal journal, double rate) {
        long start = System.nanoTime();
        int[] written = {0};
        Runnable write = () -> {
            long due = (long) ((System.nanoTime() - start) / 1e9 * rate);
            for (; written[0] < due; written[0]++) {
                int tick = written[0];
                String level = Filter.LEVELS.get(tick % Filter.LEVELS.size());
                journal.append(List.of(new Entry.Draft(level, SOURCES.get(tick % SOURCES.size()), "tick " + (tick + 1))));
            }
        };
        if (rate > 0) {
            timer.scheduleAtFixedRate(write, BACKGROUND_INTERVAL_MS, BACKGROUND_INTERVAL_MS, TimeUnit.MILLISECONDS);
        }
    }

    private static void stop(
            ScheduledExecutorService background, Server grpcServer, org.eclipse.jetty.server.Server httpServer, Streams streams) {
        background.shutdown();
        grpcServer.shutdown();
        streams.stopAll();
        try {
            if (!grpcServer.awaitTermination(STOP_WITHIN_MS, TimeUnit.MILLISECONDS)) {
                grpcServer.shutdownNow();
            }
            httpServer.setStopTimeout(CLOSE_WITHIN_MS);
            httpServer.stop();
        } catch (Exception late) {
            // the process ends all the same
        }
    }
}
