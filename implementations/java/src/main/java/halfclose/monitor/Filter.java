package halfclose.monitor;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** Which entries are wanted; null and an empty list do not constrain. */
record Filter(String minLevel, List<String> sources, String contains) {
    static final List<String> LEVELS = List.of("debug", "info", "warn", "error");

    private static final int MAX_CONTAINS_BYTES = 256;

    /** What is wrong with the filter, null for a valid one. */
    String fault(boolean countCharacters) {
        if (minLevel != null && !LEVELS.contains(minLevel)) {
            return "min_level is not one of " + String.join(", ", LEVELS);
        }
        if (contains != null) {
            int length = countCharacters ? contains.length() : contains.getBytes(StandardCharsets.UTF_8).length;
            if (length > MAX_CONTAINS_BYTES) {
                return "contains is longer than " + MAX_CONTAINS_BYTES + " bytes";
            }
        }
        return null;
    }

    boolean matches(Entry entry) {
        return (minLevel == null || LEVELS.indexOf(entry.level()) >= LEVELS.indexOf(minLevel))
                && (sources.isEmpty() || sources.contains(entry.source()))
                && (contains == null || entry.message().contains(contains));
    }
}
