package halfclose.monitor;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.stream.Collectors;

/** One reader's place in the log. All methods may be called by several threads at the same time. */
final class Subscription {
    /**
     * A subscription that holds more than this when entries are written is ended. A batch is taken
     * whole, so that one large batch never ends a reader that keeps up.
     */
    private static final int MAX_QUEUED_BYTES = 4 << 20;

    /** The filter of the bug static-filter. */
    private static volatile Filter shared;

    private final Journal journal;
    private final Bug bug;
    private final Runnable changed;
    private final Queue<Entry> queue = new ArrayDeque<>();
    private Filter filter;
    private int queuedBytes;
    private boolean overflowed;

    Subscription(Journal journal, Bug bug, Runnable changed) {
        this.journal = journal;
        this.bug = bug;
        this.changed = changed;
    }

    /** Puts a valid filter in the place of the one before, for the entries written from now on. */
    synchronized void replace(Filter filter) {
        this.filter = filter;
        shared = filter;
    }

    /** The next matching entry, null where there is none. */
    synchronized Entry poll() {
        Entry entry = queue.poll();
        if (entry != null) {
            queuedBytes -= entry.cost();
        }
        return entry;
    }

    /** Whether the reader was too slow. */
    synchronized boolean overflowed() {
        return overflowed;
    }

    void close() {
        journal.forget(this);
        synchronized (this) {
            filter = null;
            queue.clear();
            queuedBytes = 0;
        }
    }

    void offer(List<Entry> batch) {
        synchronized (this) {
            if (filter == null || overflowed) {
                return;
            }
            if (queuedBytes > MAX_QUEUED_BYTES && bug == Bug.OFFER_IGNORED) {
                return;
            }
            if (queuedBytes > MAX_QUEUED_BYTES) {
                overflowed = true;
                journal.forget(this);
                queue.clear();
                queuedBytes = 0;
            } else {
                for (Entry entry : matching(batch)) {
                    queue.add(entry);
                    queuedBytes += entry.cost();
                }
                if (queue.isEmpty()) {
                    return;
                }
            }
        }
        changed.run();
    }

    private List<Entry> matching(List<Entry> batch) {
        Filter wanted = bug == Bug.STATIC_FILTER ? shared : filter;
        if (bug == Bug.PARALLEL_STREAM) {
            List<Entry> found = Collections.synchronizedList(new ArrayList<>());
            batch.parallelStream().filter(wanted::matches).forEach(found::add);
            return found;
        }
        return batch.stream().filter(wanted::matches).collect(Collectors.toList());
    }
}
