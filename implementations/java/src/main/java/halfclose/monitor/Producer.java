package halfclose.monitor;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;

/** POST /logs and GET /stats. */
final class Producer extends Handler.Abstract {
    private static final int MAX_BATCH_BYTES = 16 << 20;
    private static final int PAGE_BYTES = 4096;
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final Journal journal;

    Producer(Journal journal) {
        this.journal = journal;
    }

    static String json(Object value) {
        try {
            return JSON.writeValueAsString(value);
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws IOException {
        switch (request.getMethod() + " " + request.getHttpURI().getPath()) {
            case "POST /logs" -> produce(request, response, callback);
            case "GET /stats" -> answer(response, callback, 200, Map.of("open_streams", journal.subscriptions(), "rss_bytes", residentBytes()));
            case "GET /logs/monitor" -> {
                response.getHeaders().put(HttpHeader.UPGRADE, "websocket");
                response.getHeaders().put(HttpHeader.SEC_WEBSOCKET_VERSION, "13");
                answer(response, callback, 426, Map.of("error", "this is a WebSocket"));
            }
            default -> answer(response, callback, 404, Map.of("error", "not found"));
        }
        return true;
    }

    private void produce(Request request, Response response, Callback callback) throws IOException {
        List<Entry.Draft> drafts;
        try (InputStream body = Content.Source.asInputStream(request)) {
            byte[] bytes = body.readNBytes(MAX_BATCH_BYTES + 1);
            if (bytes.length > MAX_BATCH_BYTES) {
                answer(response, callback, 413, Map.of("error", "the batch is too long"));
                return;
            }
            drafts = drafts(JSON.readTree(bytes));
        } catch (JsonProcessingException | IllegalArgumentException refused) {
            answer(response, callback, 400, Map.of("error", String.valueOf(refused.getMessage())));
            return;
        }
        answer(response, callback, 202, journal.append(drafts));
    }

    private static List<Entry.Draft> drafts(JsonNode posted) {
        if (!posted.isArray() || posted.isEmpty()) {
            throw new IllegalArgumentException("the body is an array of entries");
        }
        List<Entry.Draft> drafts = new ArrayList<>(posted.size());
        for (JsonNode node : posted) {
            Entry.Draft draft = new Entry.Draft(field(node, "level"), field(node, "source"), field(node, "message"));
            if (!Filter.LEVELS.contains(draft.level())) {
                throw new IllegalArgumentException("level is not one of " + String.join(", ", Filter.LEVELS));
            }
            drafts.add(draft);
        }
        return drafts;
    }

    private static String field(JsonNode node, String name) {
        JsonNode value = node.get(name);
        if (value == null || !value.isTextual()) {
            throw new IllegalArgumentException(name + " must be a string");
        }
        return value.textValue();
    }

    private static void answer(Response response, Callback callback, int status, Object body) {
        response.setStatus(status);
        response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
        response.write(true, ByteBuffer.wrap(json(body).getBytes(StandardCharsets.UTF_8)), callback);
    }

    /** The process's resident memory as Linux counts it, 0 elsewhere. */
    private static long residentBytes() {
        try {
            return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]) * PAGE_BYTES;
        } catch (IOException elsewhere) {
            return 0;
        }
    }
}
