import type { Check } from "../src/conformance/check.js";
import type { Conversation } from "../src/conformance/conversation.js";
import { rootsOfNoEntry, rootsOfWrongEntry } from "../src/conformance/roots.js";
import type { Session } from "../src/conformance/session.js";
import type { Filter } from "../src/core/contract.js";
import { jsonText } from "../src/core/json-text.js";
import { fail, unproven } from "../src/core/verdict.js";
import { firstOf, requireAllMatch } from "./observations.js";

const both = ["grpc", "ws"] as const;

/** Updates and ends while nothing comes: a loop that wakes up for entries alone does not see them. */
export const quietLogChecks: readonly Check[] = [
  {
    id: "filter-updates/effective-while-idle",
    on: both,
    level: "must",
    requirement: "A new filter takes effect within the bound although nothing matches the current one.",
    clause: "monitor design: the client may change its filter at any time",
    why: "Nothing comes, so the user widens the filter: if the server looks at updates only between two entries, nothing ever comes.",
    exchange: ["C → S  filter that matches nothing", "S → C  (nothing)", "C → S  filter B", "S → C  B within the bound"],
    causes: {
      any: "A blocking call fetches the next entry that matches, and updates are looked at only when it returns.",
      Go: "`select { case f := <-updates: …; default: entry := nextMatching(filter) }`, as a reader of the guide would write it.",
      Python: "`async for entry in log.matching(filter)` with the filter fixed at the start.",
    },
    dependsOn: ["first-filter/takes-effect"],
    async run(session) {
      const silent = session.role("silent");
      const targets = session.contract.roles.disjoint ?? [session.role("broad"), session.role("broad")];
      for (const filter of targets) {
        const conversation = await session.open({ filter: silent });
        await session.settle(80);
        await session.change(conversation, filter);
        const since = conversation.arrivals.length;
        await session.barrier(conversation);
        requireAllMatch(conversation, filter, since);
        await conversation.send(silent);
        await session.settle(50);
        await session.change(conversation, filter);
      }
    },
  },
  {
    id: "filter-updates/judges-next-entry",
    on: both,
    level: "must",
    requirement: "An update is in effect for the next entry that is written, although none was written since it was sent.",
    clause: "monitor design: the stream carries the entries that match the current filter",
    why: "On a quiet log the next entry may be the only one for an hour: it is hidden from the user who asked for it, or shown to the one who no longer did.",
    exchange: [
      "C → S  filter A",
      "S → C  A",
      "C → S  filter B",
      "       (nothing is written), then one entry of A: it does not come",
      "C → S  filter A",
      "       (nothing is written), then one entry of A",
      "S → C  A",
    ],
    causes: {
      any: "The filter is taken before the wait for the next entry, which is then judged by it; the update is looked at in the next round.",
      Go: "`f := current.Load(); entry := <-entries; if matches(f, entry) { … }`.",
      Rust: "`let filter = rx.borrow().clone(); let entry = entries.recv().await;`.",
      Python: "`current = self.filter` before `await queue.get()`.",
    },
    needs: ["producer"],
    dependsOn: ["first-filter/takes-effect", "filter-updates/takes-effect", "filter-updates/effective-while-idle"],
    // Whoever else writes brings the entry that makes up for it.
    exclusive: true,
    async run(session) {
      const [a, b] = session.role("disjoint");
      const conversation = await session.flowing(a);
      await requireJudged(session, conversation, { from: a, to: b }, "outside");
      await requireJudged(session, conversation, { from: b, to: a }, "inside");
    },
  },
  {
    id: "eof/on-quiet-log",
    on: both,
    level: "must",
    requirement: "An end is noticed although nothing at all is written meanwhile: no entry, matching or not, is needed for it.",
    clause: "monitor design: half-close ends the stream",
    why: "On a quiet log the next entry may come in an hour: until then the client waits for its end, and the server keeps the stream.",
    exchange: ["C → S  filter", "       (nothing is written)", "C → S  end", "S → C  clean end, within the bound"],
    causes: {
      any: "The loop waits for the next entry alone; the end is looked at when one has come, whether it matches or not.",
      Go: "`for entry := range entries { if done.Load() { return } … }`.",
      Rust: "`while let Some(entry) = entries.recv().await { if ended.load(…) { break } … }`.",
      Java: "`queue.take()` without a poison pill.",
    },
    dependsOn: ["first-filter/takes-effect", "eof/while-idle"],
    // Whoever else writes wakes the loop.
    exclusive: true,
    async run(session) {
      const unmatched = await session.open({ filter: session.role("silent") });
      const flowing = await session.flowing(session.role("broad"));
      // What showed that it flows may still be under way.
      await session.settle(100);
      await Promise.all([unmatched.halfClose(), flowing.halfClose()]);
      await session.endsCleanly(unmatched);
      await session.endsCleanly(flowing);
    },
  },
];

/** Milliseconds after the update in which nothing is written; what is not judged by it then is asked once more after the whole bound. */
const soonMs = 80;

/** Updates a stream on which nothing comes, then writes one entry: one that only the old filter lets through, or only the new one. */
async function requireJudged(
  session: Session,
  conversation: Conversation,
  { from, to }: { readonly from: Filter; readonly to: Filter },
  entry: "outside" | "inside",
): Promise<void> {
  for (const quietMs of [soonMs, session.bounds.applyMs]) {
    if (conversation.filter !== from) {
      await session.change(conversation, from);
    }
    // The entries that showed it may still be under way.
    await session.barrier(conversation, from);
    await session.settle(40);
    await conversation.send(to);
    await session.until(() => conversation.end, quietMs, { quiet: true });
    const since = conversation.arrivals.length;
    const [yes, no] = entry === "outside" ? [from, to] : [to, from];
    const written = await session.supply.produce([yes], [no]);
    if (written.kind === "unavailable") {
      unproven(written.reason);
    }
    // A sentinel written after it: if it comes at all, it has come.
    await session.barrier(conversation, to);
    const came = firstOf(conversation, written.tokens, since);
    if ((came !== undefined) === (entry === "inside")) {
      return;
    }
    if (quietMs < session.bounds.applyMs) {
      continue;
    }
    const when = `written ${quietMs} ms after the update, the first since then`;
    if (came === undefined) {
      fail(`an entry that "${to.name}" lets through, ${when}`, "it did not come, although a later one did", rootsOfNoEntry);
    }
    conversation.accuse(came, `does not match "${to.name}"`);
    fail(`no entry that "${to.name}" does not let through, ${when}`, jsonText(came.entry), rootsOfWrongEntry(conversation.filters, came.entry));
  }
}
