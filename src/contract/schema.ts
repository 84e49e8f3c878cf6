import * as z from "zod";
import { durationPattern } from "../core/duration.js";

const text = z.string().min(1);
const duration = z.string().regex(durationPattern, 'expected a duration such as "2s", "500ms" or "1m"');
const cel = text.describe("A CEL expression.");
const message = z.record(z.string(), z.unknown()).describe("One message: field names and values as the monitor has them.");
const template = message.describe(
  'One message; "$filter", "$filter.field", "${filter.field:base64}", "$from", "$slot", "$old" and "$namespace" in its texts are filled in.',
);
const path = text.describe('Names from a message inwards, joined by dots: "kv.mod_revision".');
const grpcStatuses = z.array(z.int().min(0).max(16)).describe("gRPC status codes, best first.");
const wsCodes = z.array(z.int().min(1000).max(4999)).describe("WebSocket close codes, best first.");

const grpc = z
  .strictObject({
    proto: text.optional().describe("A .proto file, relative to the contract."),
    include: z.array(text).optional().describe("Folders in which its imports are sought, relative to the contract; its own folder always."),
    "descriptor-set": text.optional().describe("A binary FileDescriptorSet (protoc -o, buf build), relative to the contract."),
    reflection: z.literal(true).optional().describe("Ask the server (gRPC reflection v1 or v1alpha)."),
    method: z
      .string()
      .regex(/^\/?[\w.]+\/\w+$/, 'expected "package.Service/Method"')
      .describe('"package.Service/Method"; both directions stream.'),
    bytes: z
      .enum(["base64", "text"])
      .default("base64")
      .describe("How fields of type bytes are written in filters and read from entries: base64, or as UTF-8 text."),
  })
  .describe("The monitor over gRPC; exactly one of proto, descriptor-set and reflection.");

const websocket = z
  .strictObject({
    path: z.string().regex(/^\//, 'expected a path that begins with "/"').describe("Path and query of the upgrade when the URL has none."),
    end: z.string().optional().describe('Text that says "I will send no more"; absent: a Close frame says it.'),
    subprotocols: z.array(text).default([]),
    headers: z.record(text, z.string()).default({}),
    origins: z.array(text).optional(),
    frames: z.enum(["text", "binary"]).default("text").describe("Which frames the client sends."),
    encoding: z.enum(["json", "protobuf"]).default("json").describe("protobuf: the message types of the gRPC method, in binary frames."),
    integers: z.enum(["any", "number"]).default("any").describe("number: an integer of an entry that comes as a text is wrong."),
  })
  .describe("The monitor over WebSocket.");

const rule = z.union([
  z.strictObject({
    filter: text.describe("Field of the filter; a filter without it passes the rule."),
    entry: text.describe("Field of the entry."),
    rule: z.enum(["one-of", "equals", "contains", "prefix"]),
  }),
  z.strictObject({
    filter: text,
    entry: text,
    rule: z.enum(["at-least", "at-most"]),
    order: z.array(text).min(2).optional().describe("Values from least to greatest; absent: numbers by size, texts by code unit."),
  }),
  z.strictObject({
    filter: text.describe("Field with the first value let through."),
    to: text.describe("Field with the first value after the range; absent in the filter: only what equals the first; empty: no upper end."),
    entry: text,
    rule: z.literal("range"),
  }),
  z.strictObject({
    filter: text,
    entry: text,
    rule: z.literal("topic"),
    separator: text.default("/"),
    "any-level": text.default("+"),
    "any-rest": text.default("#"),
  }),
  z.strictObject({ filter: text, rule: z.literal("ignored").describe("The field does not constrain entries.") }),
  z.strictObject({ cel: cel.describe("CEL over filter and entry; true: the entry passes.") }),
]);

const decoded = z.union([path, z.strictObject({ path, decode: z.enum(["base64", "json"]).optional().describe("How the text found there is to be read.") })]);

const entries = z.strictObject({
  sequence: text.optional().describe("Field that strictly increases over the whole log; numbers, or int64 as text. Leave it out where numbers count per key."),
  order: z.enum(["increasing", "non-decreasing"]).default("increasing"),
  time: text.optional().describe("Field with the RFC 3339 time at which the entry was written."),
  required: z.array(text).default([]).describe("Fields that every entry has."),
  token: text.optional().describe("Field in which a produced entry's token comes back; default: the field of the producer's body that is {token}."),
  where: cel.optional().describe("CEL over message: which messages carry entries. Default: all that no other predicate claims."),
  each: path.optional().describe("Repeated field whose elements are the entries of a message."),
  fields: z.record(text, decoded).optional().describe("Names for what lies deeper: name: path in the entry. The entry then has these fields and no others."),
});

const ignorable = z.strictObject({
  name: text,
  when: cel.describe("CEL over message."),
  answer: z.array(message).default([]).describe('Messages that the client must send in answer; "$message.field" is filled in.'),
});

const messages = z
  .strictObject({
    ack: cel.optional().describe("CEL over message: the server says that a filter holds."),
    rejection: cel.optional().describe("CEL over message: the server refuses a filter while the stream lives."),
    ignore: z.array(ignorable).default([]).describe("Heartbeats and control messages."),
  })
  .describe("Received messages that are not entries; what is neither is a violation.");

const semantics = z.strictObject({
  update: z.enum(["replace", "additive"]).default("replace"),
  "takes-effect": z
    .enum(["first-new-entry", "ack"])
    .optional()
    .describe("When an update holds; default: at the ack where messages.ack or barrier is given, else at the first entry that only it lets through."),
  delivery: z.enum(["live", "replay"]).default("live"),
  overflow: z.enum(["end", "buffer", "thin"]).default("end").describe("What happens to a reader too slow for the server's buffer."),
  "clean-end": z
    .strictObject({ "grpc-statuses": grpcStatuses.default([0]), "ws-codes": wsCodes.default([1000]) })
    .default({ "grpc-statuses": [0], "ws-codes": [1000] })
    .describe("How a clean end by the client shows."),
});

const none = z.literal("none");
const values = z.record(text, z.array(z.string()).min(1)).describe("Values to try for each placeholder, where match rules do not tell.");
const sequences = z.strictObject({ first: path, last: path.optional() }).describe("Where the answer has the first and the last sequence number written.");

const producer = z.union([
  none,
  z.strictObject({
    http: z
      .string()
      .regex(/^[A-Z]+ \//, 'expected "METHOD /path"')
      .describe("Method, path and query; {field} and {token} in it are replaced as in the body, percent-encoded."),
    body: text.describe(
      "Body; {field} is replaced by an entry's value, {token} by a text that no other entry has; a text that is {field:number} becomes a number, {field:base64} its base64. A JSON list is repeated for several entries.",
    ),
    "content-type": text.default("application/json"),
    sequences: sequences.optional(),
    values: values.optional(),
  }),
  z.strictObject({ command: text.describe("Shell command for one entry; {field} and {token} are replaced by quoted values."), values: values.optional() }),
  z.strictObject({
    grpc: z.string().regex(/^\/?[\w.]+\/\w+$/, 'expected "package.Service/Method"'),
    message,
    sequences: sequences.optional(),
    values: values.optional(),
  }),
]);

const probe = z.union([
  none,
  z.strictObject({ http: z.string().regex(/^GET \//, 'expected "GET /path"'), "open-streams": path.optional(), "rss-bytes": path.optional() }),
  z.strictObject({
    prometheus: z.string().regex(/^GET \//, 'expected "GET /path"'),
    "open-streams": text.optional().describe('Gauge, its label sets summed; with a selector: name{label="value"}.'),
    "rss-bytes": text.optional(),
  }),
  z.strictObject({ channelz: z.literal(true) }),
  z.strictObject({ process: z.literal(true) }),
]);

const invalid = z.union([
  text,
  z.strictObject({
    filter: text,
    rejection: z.enum(["end", "message", "ignored"]).default("end"),
    "grpc-statuses": grpcStatuses.default([]),
    "ws-codes": wsCodes.default([]),
  }),
]);

/** The contract file. */
export const contractSchema = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9][\w.-]*$/, "expected letters, digits, dots, dashes"),
    about: z.string().default(""),
    grpc: grpc.optional(),
    websocket: websocket.optional(),
    filters: z
      .record(text, z.union([message, z.array(message).min(1)]))
      .describe("Named samples; a sample is one message, or a list of messages sent in a row."),
    roles: z
      .strictObject({
        broad: text.optional().describe("Lets every entry through, or nearly."),
        disjoint: z.tuple([text, text]).optional().describe("No entry satisfies both; both flow."),
        overlap: z.tuple([text, text]).optional().describe("Entries that match only one, and entries that match both."),
        silent: text.optional().describe("Matches nothing that is ever written."),
        invalid: z.array(invalid).default([]).describe("The server must refuse each."),
      })
      .default({ invalid: [] })
      .describe("What the checks may rely on."),
    match: z.array(rule).describe("When a filter lets an entry through: all rules must pass."),
    prelude: z.array(template).default([]).describe("Sent before the first filter."),
    "prelude-reply": cel.optional().describe("CEL over message: the answer to the prelude, awaited before the first filter."),
    open: z.array(template).optional().describe("Messages that open with a filter; default: the filter itself."),
    update: z.array(template).optional().describe("Messages that change from one filter to the next; default: as open."),
    barrier: z.strictObject({ send: template, await: cel }).optional().describe("Sent after each filter; its answer says that the filter holds."),
    messages: messages.optional(),
    entries: entries.default({ order: "increasing", required: [] }),
    semantics: semantics.prefault({}),
    producer: producer.optional(),
    probe: probe.optional(),
    limits: z.strictObject({ "filter-bytes": z.int().positive().optional() }).default({}),
    bounds: z.strictObject({ apply: duration.optional(), end: duration.optional(), release: duration.optional(), stop: duration.optional() }).default({}),
  })
  .describe("How a monitor is described to halfclose.");

export type ContractFile = z.output<typeof contractSchema>;
export type RuleFile = ContractFile["match"][number];

/** The JSON Schema (draft 2020-12) of a contract file, for editors. */
export function contractJsonSchema(): object {
  return z.toJSONSchema(contractSchema, { io: "input" });
}
