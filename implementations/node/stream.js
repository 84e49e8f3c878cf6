// What both transports do with a stream: take filters, send entries, and end once.

import { faultOf } from "./journal.js";

/** Why a stream ended; a transport says it in its own words. */
export const END = Object.freeze({
  client: "client",
  gone: "gone",
  notText: "not text",
  tooLong: "too long",
  refused: "refused",
  invalid: "invalid",
  tooSlow: "too slow",
  deadline: "deadline",
  stopping: "stopping",
});

/**
 * Serves one stream. `send(entry)` resolves when the next entry may be sent, `close(end, text)` is
 * called once. The returned object takes the client's filters and its end.
 */
export function serveStream({ journal, streams, bugs }, { send, close }) {
  const subscription = journal.subscribe();
  let ended = false;
  let filter = {};
  const finish = (end, text = "") => {
    if (ended) return;
    ended = true;
    streams.delete(finish);
    if (!(bugs.listenerLeak && end === END.client)) subscription.close();
    close(end, text);
  };
  streams.add(finish);
  subscription.onOverflow = () => finish(END.tooSlow, "the reader is too slow");
  sendEntries(subscription, send, bugs).catch(() => finish(END.gone));

  const take = (received) => {
    if (ended) return;
    const fault = faultOf(received);
    if (fault !== undefined) {
      finish(END.invalid, fault);
      return;
    }
    filter = bugs.filtersMerged ? Object.assign(filter, received) : received;
    subscription.replace(filter);
  };
  return {
    take: bugs.filterRace ? (received) => setTimeout(take, received.sources?.length > 0 ? 15 : 0, received) : take,
    finish,
    get ended() {
      return ended;
    },
  };
}

async function sendEntries(subscription, send, bugs) {
  for await (const batch of subscription.batches()) {
    if (bugs.promiseAll) {
      await Promise.all(batch.map((entry) => sendPrepared(entry, send)));
      continue;
    }
    for (const entry of batch) {
      if (subscription.closed) return;
      await send(entry);
    }
  }
}

async function sendPrepared(entry, send) {
  if (entry.message.length > 200) await new Promise((resolve) => setImmediate(resolve));
  await send(entry);
}
