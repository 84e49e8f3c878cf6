// What the server offers beside its streams: command line, producer, probe and
// background entries.

import { parseArgs } from "node:util";
import { LEVELS } from "./journal.js";

const MAX_BATCH_BYTES = 16 * 1024 * 1024;
const SOURCES = ["alpha", "beta", "gamma"];
const BACKGROUND_INTERVAL_MS = 5;

export function readOptions() {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      "grpc-port": { type: "string", default: "50051" },
      "http-port": { type: "string", default: "8080" },
      rate: { type: "string", default: "1000" },
      bug: { type: "string", default: "" },
    },
  });
  const number = (name) => {
    const value = Number(values[name]);
    if (!(value >= 0)) throw new Error(`--${name} must be a number, not ${values[name]}`);
    return value;
  };
  return { host: values.host, grpcPort: number("grpc-port"), httpPort: number("http-port"), rate: number("rate"), bug: values.bug };
}

/** Writes `rate` entries a second until the returned function is called. */
export function writeBackground(journal, rate) {
  const start = performance.now();
  let written = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - start) / 1000) * rate);
    for (; written < due; written++) {
      journal.append([{ level: LEVELS[written % LEVELS.length], source: SOURCES[written % SOURCES.length], message: `tick ${written + 1}` }]);
    }
  }, BACKGROUND_INTERVAL_MS);
  return () => clearInterval(timer);
}

/** The request listener for POST /logs and GET /stats. */
export function besideListener(journal, bugs) {
  return async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (request.method === "POST" && pathname === "/logs") {
      await produce(journal, bugs, request, response);
    } else if (request.method === "GET" && pathname === "/stats") {
      answer(response, 200, { open_streams: journal.subscriptions, rss_bytes: process.memoryUsage.rss() });
    } else if (request.method === "GET" && pathname === "/logs/monitor") {
      answer(response, 426, { error: "this is a WebSocket" }, { upgrade: "websocket", connection: "upgrade" });
    } else {
      answer(response, 404, { error: "not found" });
    }
  };
}

async function produce(journal, bugs, request, response) {
  let drafts;
  try {
    drafts = checkedDrafts(JSON.parse(await (bugs.bodyAsTextChunks ? textOfChunks(request) : bodyOf(request))));
  } catch (error) {
    answer(response, error instanceof RangeError ? 413 : 400, { error: error.message });
    return;
  }
  answer(response, 202, journal.append(drafts));
}

async function bodyOf(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BATCH_BYTES) throw new RangeError("the batch is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function textOfChunks(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}

function checkedDrafts(drafts) {
  if (!Array.isArray(drafts) || drafts.length === 0) throw new Error("the body is an array of entries");
  for (const [index, draft] of drafts.entries()) {
    for (const field of ["level", "source", "message"]) {
      if (typeof draft?.[field] !== "string") throw new Error(`entry ${index}: ${field} must be a string`);
    }
    if (!LEVELS.includes(draft.level)) throw new Error(`entry ${index}: level is not one of ${LEVELS.join(", ")}`);
  }
  // A lone surrogate has no UTF-8: on gRPC it would make the whole entry unreadable.
  return drafts.map(({ level, source, message }) => ({ level, source: source.toWellFormed(), message: message.toWellFormed() }));
}

function answer(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}
