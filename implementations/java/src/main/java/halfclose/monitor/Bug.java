package halfclose.monitor;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Defects as Java programs have them. Each bites at the one place that asks for it. */
enum Bug {
    NONE(""),
    IGNORES_IS_READY("onNext is called without a look at isReady: a slow reader's entries pile up in memory without end (gRPC)."),
    BLOCKING_TAKE("The request observer's onNext sends entries in a loop: on its executor no further filter, half-close or cancel is heard (gRPC)."),
    NO_CANCEL_HANDLER("Without an onCancelHandler a cancelled call keeps its subscription (gRPC)."),
    STATIC_FILTER("The filter is a static field: each stream's filter holds for all streams."),
    OFFER_IGNORED("What offer() says about a full queue is ignored: the newest entries are lost."),
    THROWN_IN_ON_NEXT("An invalid filter is thrown as IllegalArgumentException: gRPC makes UNKNOWN of it, and Jetty 1011."),
    LIMIT_IN_CHARS("The limit of contains counts UTF-16 units, not bytes."),
    PARALLEL_STREAM("A batch is filtered by a parallel stream and forEach: its entries change places.");

    private final String sentence;

    Bug(String sentence) {
        this.sentence = sentence;
    }

    String title() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static Bug named(String title) {
        return Arrays.stream(values()).filter(bug -> bug.title().equals(title)).findFirst().orElseThrow(() ->
                new IllegalArgumentException("no bug " + title + ": it is one of "
                        + Arrays.stream(values()).skip(1).map(Bug::title).collect(Collectors.joining(", "))));
    }

    static String list() {
        return Arrays.stream(values()).skip(1)
                .map(bug -> String.format("%-20s %s%n", bug.title(), bug.sentence)).collect(Collectors.joining());
    }
}
