package halfclose.monitor;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;

/** What all streams share. */
final class Streams {
    /** A stream that can be told that the server is going down. */
    interface Stoppable {
        void stop();
    }

    final Journal journal;
    final Bug bug;
    final Executor executor;
    private final Set<Stoppable> open = ConcurrentHashMap.newKeySet();

    Streams(Journal journal, Bug bug, Executor executor) {
        this.journal = journal;
        this.bug = bug;
        this.executor = executor;
    }

    void add(Stoppable stream) {
        open.add(stream);
    }

    void remove(Stoppable stream) {
        open.remove(stream);
    }

    void stopAll() {
        open.forEach(Stoppable::stop);
    }
}
