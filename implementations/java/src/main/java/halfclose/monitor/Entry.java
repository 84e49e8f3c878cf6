package halfclose.monitor;

/** One line of the log. */
record Entry(long sequence, String time, String level, String source, String message) {
    private static final int OVERHEAD_BYTES = 96;

    /** An entry that has not been written yet. */
    record Draft(String level, String source, String message) {}

    int cost() {
        return OVERHEAD_BYTES + source.length() + message.length();
    }
}
