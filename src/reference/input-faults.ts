import { endings } from "./ending.js";
import { later, type Fault } from "./fault.js";
import { CONTAINS_LIMIT_BYTES } from "./filter.js";
import type { Encoded } from "./log-entry.js";

/** Faults in what a received message is taken for, and in what a message is made of. */
export const inputFaults = {
  "receive-error-is-end": {
    sentence: "Every receive error is returned as a clean end: bad input looks like EOF (Go: `if err != nil { return nil }`).",
    seam: "finish",
    caughtBy: [
      "bad-input/ws-malformed-json",
      "bad-input/ws-empty-frame",
      "bad-input/ws-binary-frame",
      "bad-input/invalid-filter",
      "bad-input/grpc-bad-protobuf",
      "bad-input/grpc-truncated-message",
      "bad-input/grpc-unknown-encoding",
      "bad-input/message-limit",
    ],
    stream: () => () => ({
      finish: (ending, step) => {
        const ownReason = ending === endings.overflow || ending === endings.deadline || ending === endings.stopping;
        step(ownReason ? ending : endings.completed);
      },
    }),
  },
  "invalid-filter-coerced": {
    sentence: "An invalid filter counts as an empty one: an unknown value is mapped to a default (Go maps, LEVELS.get(name, 0)).",
    seam: "reading",
    caughtBy: ["bad-input/invalid-filter"],
    stream: () => () => ({
      reading: (reading, step) => step(reading.kind === "invalid" ? { kind: "filter", filter: {} } : reading),
    }),
  },
  "limit-in-characters": {
    sentence: "A limit on bytes counts characters: a text of many bytes in few characters passes (Rust chars().count(), Java length(), Goa's MaxLength).",
    seam: "reading",
    caughtBy: ["bad-input/invalid-filter"],
    stream: () => () => ({
      reading: (reading, step) => {
        const tooLong = reading.kind === "invalid" ? reading.tooLong : undefined;
        step(tooLong?.contains !== undefined && tooLong.contains.length <= CONTAINS_LIMIT_BYTES ? { kind: "filter", filter: tooLong } : reading);
      },
    }),
  },
  "null-needs-newline": {
    sentence: "A bare null does not end a WebSocket stream: text is taken by lines.",
    seam: "text",
    caughtBy: ["eof/ws-bare-null-ends"],
    stream: () => () => ({ text: (text, step) => (text === "null" ? undefined : step(text)) }),
  },
  "null-needs-no-newline": {
    sentence: "A null with a newline, as Goa's client sends it, does not end the stream: the text is compared as it is.",
    seam: "text",
    caughtBy: ["eof/ws-null-line-ends"],
    stream: () => () => ({ text: (text, step) => (text !== "null" && text.trim() === "null" ? undefined : step(text)) }),
  },
  "null-anywhere-ends": {
    sentence: "Any frame with the text null in it ends the stream.",
    seam: "text",
    caughtBy: ["eof/ws-null-lookalikes"],
    stream: () => (stream) => ({ text: (text, step) => (text.includes("null") ? stream.end() : step(text)) }),
  },
  "falsy-value-is-end": {
    sentence: 'Any falsy JSON value ends a WebSocket stream as null does: 0, false, "" (`if (!value) return end()`).',
    seam: "text",
    caughtBy: ["eof/ws-null-lookalikes"],
    stream: () => (stream) => ({ text: (text, step) => (/^\s*(?:0|false|"")\s*$/.test(text) ? stream.end() : step(text)) }),
  },
  "null-not-final": {
    sentence: "A filter that follows null revives the stream: null resets the filter, and the reading loop goes on.",
    seam: "text, entry",
    caughtBy: ["eof/ws-null-is-final"],
    stream: () => (stream) => {
      let resting = false;
      return {
        text: (text, step) => {
          resting = text.trim() === "null";
          if (!resting) step(text);
          else later(50, () => (resting && !stream.over ? step(text) : undefined));
        },
        entry: (entry, step) => (resting ? undefined : step(entry)),
      };
    },
  },
  "empty-frame-is-end": {
    sentence: "An empty text frame ends the stream (`if (!data) return end()`; `while message := await ws.recv()`).",
    seam: "text",
    caughtBy: ["bad-input/ws-empty-frame"],
    stream: () => (stream) => ({ text: (text, step) => (text === "" ? stream.end() : step(text)) }),
  },
  "malformed-json-is-end": {
    sentence: "Text that is no JSON ends the stream cleanly: the error of the reader is taken for its end.",
    seam: "reading",
    caughtBy: ["bad-input/ws-malformed-json"],
    stream: () => (stream) => {
      let empty = false;
      return {
        text: (text, step) => {
          empty = text === "";
          step(text);
        },
        reading: (reading, step) => {
          const ends = reading.kind === "malformed" && stream.outlet.transport === "websocket" && !empty;
          step(ends ? { kind: "end" } : reading);
        },
      };
    },
  },
  "bad-protobuf-skipped": {
    sentence: "A message that is no protobuf is logged and skipped.",
    seam: "reading",
    caughtBy: ["bad-input/grpc-bad-protobuf"],
    stream: () => (stream) => ({
      reading: (reading, step) => {
        if (reading.kind !== "malformed" || stream.outlet.transport === "websocket") step(reading);
      },
    }),
  },
  "truncated-message-is-end": {
    sentence: "What is left of an incomplete message when the client ends is thrown away, and the end is clean (gRPC's C core).",
    seam: "finish",
    caughtBy: ["bad-input/grpc-truncated-message"],
    stream: () => () => ({ finish: (ending, step) => step(ending === endings.truncated ? endings.completed : ending) }),
  },
  "body-cut-into-texts": {
    sentence: "What a producer sends becomes text chunk by chunk: a character that two chunks share is lost (Node's `text += chunk`).",
    seam: "http-side.ts",
    caughtBy: ["first-filter/none-missing"],
  },
  "integer-as-text": {
    sentence: "The 64-bit sequence goes into the JSON as text, as protobuf's JSON has it and the contract has not.",
    seam: "send",
    caughtBy: ["first-filter/entries-valid"],
    stream: () => (stream) => ({
      send: (message, step) => {
        if (stream.outlet.transport === "grpc") return step(message);
        const json = Buffer.from(message.json.toString().replace(/^(\{"sequence":)(\d+)/, '$1"$2"'));
        step({ grpcMessage: message.grpcMessage, json });
      },
    }),
  },
  "several-values-in-a-frame": {
    sentence: "Entries that are ready together are sent in one text frame, one a line.",
    seam: "send",
    caughtBy: ["first-filter/ws-one-json-per-text-frame"],
    stream: () => (stream) => {
      let ready: Encoded[] = [];
      return {
        send: (message, step) => {
          if (stream.outlet.transport === "grpc") {
            step(message);
            return;
          }
          ready.push(message);
          if (ready.length > 1) return;
          setImmediate(() => {
            const lines = ready.map((each) => each.json.toString());
            ready = [];
            if (!stream.over) step({ grpcMessage: message.grpcMessage, json: Buffer.from(lines.join("\n")) });
          });
        },
      };
    },
  },
} as const satisfies Record<string, Fault>;
