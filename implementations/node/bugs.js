// Defects as Node programs have them. Each bites at the one place that asks for
// it; without any the server is correct.

const CATALOGUE = {
  "no-back-pressure": ["noBackPressure", "write() and send() are called without looking at what they say: a slow reader's entries pile up in memory without end."],
  "listener-leak": ["listenerLeak", "The subscription is closed when a stream is cancelled or breaks, but not when the client ends it."],
  "filter-race": ["filterRace", "Filters are checked by an async function that takes longer for some of them: of two in a row the older may win."],
  "promise-all": ["promiseAll", "The entries of a batch are sent by Promise.all over an async callback that awaits only for long messages: short ones overtake them."],
  "body-as-text-chunks": ["bodyAsTextChunks", "The producer's body is put together as text, chunk by chunk: a character that two chunks share is lost."],
  "error-swallowed": ["errorSwallowed", "A catch without a body: a filter that can't be read is ignored, the stream goes on."],
  "falsy-is-end": ["falsyIsEnd", "The end is whatever is falsy: 0, false and \"\" end a WebSocket stream like null."],
  "sequence-as-string": ["sequenceAsString", "The 64-bit sequence goes into the JSON as a string."],
  "filters-merged": ["filtersMerged", "Object.assign puts a new filter on top of the one before: what it leaves out stays."],
  "no-error-listener": ["noErrorListener", "Nobody listens for a WebSocket's error event: one bad frame ends the process."],
};

/** The planted bugs by name of the seam. Throws for a name that is not in the catalogue. */
export function plant(name) {
  if (name === "") return {};
  if (!(name in CATALOGUE)) throw new Error(`no bug "${name}": it is one of ${Object.keys(CATALOGUE).join(", ")}`);
  return { [CATALOGUE[name][0]]: true };
}

export function bugList() {
  return Object.entries(CATALOGUE)
    .map(([name, [, sentence]]) => `${name.padEnd(20)} ${sentence}\n`)
    .join("");
}
