package halfclose.monitor;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;
import org.eclipse.jetty.websocket.api.StatusCode;

/** One WebSocket stream. */
public final class WebSocketStream extends Session.Listener.AbstractAutoDemanding implements Streams.Stoppable {
    static final int MAX_FILTER_BYTES = 64 << 10;

    /** How long what was sent may take to leave after the stream has ended, before the connection is cut. */
    private static final long DRAIN_WITHIN_MS = 10_000;

    /** How long the client has for its half of the closing handshake, and how long one that is behind has. */
    private static final long CLOSE_WITHIN_MS = 700;
    private static final long SLOW_CLOSE_WITHIN_MS = 5_000;

    private static final int MAX_REASON_CHARS = 100;

    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /** A frame that carries no filter. */
    private static final class Refused extends Exception {
        Refused(String message) {
            super(message);
        }
    }

    private final Streams streams;
    private final Subscription subscription;
    private boolean sending;
    private boolean over;
    private Runnable afterSend;

    WebSocketStream(Streams streams) {
        this.streams = streams;
        subscription = streams.journal.subscribe(() -> streams.executor.execute(this::send));
        streams.add(this);
    }

    @Override
    public void onWebSocketText(String text) {
        try {
            JsonNode received = JSON.readTree(text);
            if (received != null && received.isNull()) {
                end(StatusCode.NORMAL, "");
                return;
            }
            Filter filter = filterOf(received);
            String fault = filter.fault(streams.bug == Bug.LIMIT_IN_CHARS);
            if (fault == null) {
                takeFilter(filter);
            } else if (streams.bug == Bug.THROWN_IN_ON_NEXT) {
                throw new IllegalArgumentException(fault);
            } else {
                end(StatusCode.POLICY_VIOLATION, fault);
            }
        } catch (JsonProcessingException | Refused refused) {
            end(StatusCode.BAD_PAYLOAD, "not a filter");
        }
    }

    @Override
    public void onWebSocketBinary(ByteBuffer payload, Callback callback) {
        callback.succeed();
        end(StatusCode.BAD_DATA, "filters are text frames");
    }

    @Override
    public void onWebSocketError(Throwable cause) {
        release(); // Jetty has sent the Close frame that the error asks for
    }

    @Override
    public void onWebSocketClose(int code, String reason, Callback callback) {
        release();
        callback.succeed();
    }

    @Override
    public void stop() {
        end(StatusCode.SHUTDOWN, "the server is stopping");
    }

    private synchronized void takeFilter(Filter filter) {
        if (!over) {
            subscription.replace(filter);
        }
    }

    private static Filter filterOf(JsonNode received) throws Refused {
        if (received == null || !received.isObject()) {
            throw new Refused("a filter is an object");
        }
        List<String> sources = new ArrayList<>();
        JsonNode list = received.get("sources");
        if (list != null && !list.isNull()) {
            if (!list.isArray()) {
                throw new Refused("sources must be a list");
            }
            for (JsonNode source : list) {
                sources.add(text(source));
            }
        }
        return new Filter(textOrNull(received.get("min_level")), sources, textOrNull(received.get("contains")));
    }

    private static String textOrNull(JsonNode node) throws Refused {
        return node == null || node.isNull() ? null : text(node);
    }

    private static String text(JsonNode node) throws Refused {
        if (!node.isTextual()) {
            throw new Refused("not a string");
        }
        return node.textValue();
    }

    /** Sends one entry; its callback comes for the next. */
    private synchronized void send() {
        if (subscription.overflowed()) {
            end(StatusCode.TRY_AGAIN_LATER, "the reader is too slow");
        }
        if (sending || over || !isOpen()) {
            return;
        }
        Entry entry = subscription.poll();
        if (entry == null) {
            return;
        }
        sending = true;
        getSession().sendText(Producer.json(entry), Callback.from(this::sent, failure -> release()));
    }

    private void sent() {
        Runnable next;
        synchronized (this) {
            sending = false;
            next = afterSend == null ? this::send : afterSend;
            afterSend = null;
        }
        streams.executor.execute(next);
    }

    private synchronized boolean release() {
        if (over) {
            return false;
        }
        over = true;
        streams.remove(this);
        subscription.close();
        return true;
    }

    /** Ends the stream once: Close goes behind an entry that a slow reader has half of. */
    private synchronized void end(int code, String reason) {
        if (!release()) {
            return;
        }
        long within = code == StatusCode.TRY_AGAIN_LATER ? SLOW_CLOSE_WITHIN_MS : CLOSE_WITHIN_MS;
        String shortened = reason.substring(0, Math.min(reason.length(), MAX_REASON_CHARS));
        Runnable close = () -> {
            getSession().close(code, shortened, Callback.NOOP);
            later(within, () -> getSession().disconnect());
        };
        if (sending) {
            afterSend = close;
            later(DRAIN_WITHIN_MS, () -> {
                if (stillSending()) {
                    getSession().disconnect();
                }
            });
        } else {
            close.run();
        }
    }

    private synchronized boolean stillSending() {
        return sending;
    }

    private void later(long ms, Runnable action) {
        CompletableFuture.delayedExecutor(ms, TimeUnit.MILLISECONDS, streams.executor).execute(action);
    }
}
