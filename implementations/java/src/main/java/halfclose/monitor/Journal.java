package halfclose.monitor;

import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * One shared log with live subscriptions: a subscription gets, in order and once each, the entries
 * that match its filter and are written from then on.
 */
final class Journal {
    private final Bug bug;
    private final Set<Subscription> subscriptions = new LinkedHashSet<>();
    private long last;

    Journal(Bug bug) {
        this.bug = bug;
    }

    record Range(long first, long last) {}

    /** Writes the drafts as one batch with contiguous sequences. */
    synchronized Range append(List<Entry.Draft> drafts) {
        long first = last + 1;
        List<Entry> batch = new ArrayList<>(drafts.size());
        for (Entry.Draft draft : drafts) {
            batch.add(new Entry(++last, Instant.now().toString(), draft.level(), draft.source(), draft.message()));
        }
        for (Subscription subscription : List.copyOf(subscriptions)) {
            subscription.offer(batch);
        }
        return new Range(first, last);
    }

    /**
     * A subscription without a filter: nothing reaches it before the first replace(). Close it.
     *
     * @param changed called, under the log's lock, when there is something to take or the
     *     subscription has overflowed; it must not wait
     */
    synchronized Subscription subscribe(Runnable changed) {
        Subscription subscription = new Subscription(this, bug, changed);
        subscriptions.add(subscription);
        return subscription;
    }

    synchronized int subscriptions() {
        return subscriptions.size();
    }

    synchronized void forget(Subscription subscription) {
        subscriptions.remove(subscription);
    }
}
