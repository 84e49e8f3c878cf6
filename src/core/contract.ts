/** One message as the contract names its fields: decoded protobuf (field names as in the .proto) or JSON. */
export type Message = Readonly<Record<string, unknown>>;
/** One entry of the log that a monitor streams. */
export type Entry = Message;
export type Transport = "grpc" | "ws";
export const transports = ["grpc", "ws"] as const satisfies readonly Transport[];

/** A filter that the harness can send and judge entries by. */
export interface Filter {
  /** Name in the contract, or a short JSON text for one made on the way. */
  readonly name: string;
  /** What is sent, in order; nearly always one message. */
  readonly messages: readonly Message[];
  /** By its rules it lets every entry through. Default false: nobody can tell, as where CEL judges. */
  readonly everything?: boolean;
  /** Whether the filter lets the entry through; pure and fast. */
  matches(entry: Entry): boolean;
  /** Why the contract cannot judge the entry, for whoever reads that it does not match; undefined when it can. Absent: it always can. */
  unjudged?(entry: Entry): string | undefined;
}

/** What the checks may rely on; an absent role leaves the checks that need it unproven. */
export interface Roles {
  /** Lets every entry through, or nearly. */
  readonly broad?: Filter;
  /** No entry satisfies both; both flow. */
  readonly disjoint?: readonly [Filter, Filter];
  /** Some entries match only one of the two, some match both. */
  readonly overlap?: readonly [Filter, Filter];
  /** Matches nothing that is ever written. */
  readonly silent?: Filter;
  /** The server must refuse each of these. */
  readonly invalid: readonly InvalidFilter[];
}

/** What the server is to do with an invalid filter. */
export interface InvalidFilter {
  readonly filter: Filter;
  /** `end`: the stream ends with one of `statuses`, or any non-clean end when that is empty; `message`: a rejecting message, and the stream lives; `ignored`: nothing happens. */
  readonly rejection: "end" | "message" | "ignored";
  /** gRPC status codes accepted, best first; empty: any but OK. */
  readonly grpcStatuses: readonly number[];
  /** WebSocket close codes accepted, best first; empty: any but 1000. */
  readonly wsCodes: readonly number[];
}

/** What one received message is, by the contract's predicates. */
export type Received =
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  | { readonly kind: "ack"; readonly name: string }
  | { readonly kind: "rejection"; readonly name: string }
  | { readonly kind: "ignorable"; readonly name: string; readonly answer: readonly Message[] }
  | { readonly kind: "violation"; readonly detail: string };

/**
 * What can vary in an entry that the producer writes: values by entry field, for the placeholders of its template.
 * The token's field (EntryRules.token) holds what goes in for `{token}`; in what `Contract.draft` gives it is the text that must come before a blank and the token itself, absent or empty when there is none.
 */
export type EntryDraft = Readonly<Record<string, string>>;

/** What a run found out about entries that the contract does not state. */
export interface LearnedDrafts {
  /** Values that fields of entries were seen to have: candidates where the contract states none. */
  readonly seen: Readonly<Record<string, readonly string[]>>;
  /** Whether the producer is known to refuse such an entry. */
  refuses(draft: EntryDraft): boolean;
}

export interface EntryRules {
  /** Field that strictly increases over the whole log. */
  readonly sequence?: string;
  /** `increasing`: each greater than the last; `non-decreasing`: equal allowed. Default increasing. */
  readonly order: "increasing" | "non-decreasing";
  /** Field with the RFC 3339 time at which it was written. */
  readonly time?: string;
  /** Fields that every entry has (absent, null and empty-where-required are violations). */
  readonly required: readonly string[];
  /** Field in which a produced entry's token comes back. */
  readonly token?: string;
}

export interface Semantics {
  readonly update: "replace" | "additive";
  /** An update is several messages, of which an early one may take the old filter back: what is written in between belongs to neither. Default false. */
  readonly updateGap?: boolean;
  /** When an update holds: at the first entry that only the later filter lets through, or at an ack message. */
  readonly takesEffect: "first-new-entry" | "ack";
  /** `live`: only what is written after the filter took effect; `replay`: earlier entries may come too. */
  readonly delivery: "live" | "replay";
  /** A reader too slow for the server's buffer is ended, buffered without limit, or thinned. */
  readonly overflow: "end" | "buffer" | "thin";
  /** How a clean client end shows: accepted gRPC statuses and WebSocket close codes. */
  readonly cleanEnd: { readonly grpcStatuses: readonly number[]; readonly wsCodes: readonly number[] };
}

/** Time bounds in milliseconds; each an option with the contract's value as default. */
export interface Bounds {
  /** A filter shows its effect. */
  readonly applyMs: number;
  /** The stream ends after the client's end. */
  readonly endMs: number;
  /** The server has let go of a cancelled or dropped stream. */
  readonly releaseMs: number;
  /** The server has ended its streams and itself after a stop. */
  readonly stopMs: number;
}

/** The default bounds, in milliseconds. */
export const defaultBounds: Bounds = { applyMs: 2000, endMs: 1000, releaseMs: 1000, stopMs: 5000 };

/** `declared-none`: the contract says there is none (not-applicable); `unstated`: it is silent (unproven). */
export type Absence = { readonly kind: "declared-none" } | { readonly kind: "unstated" };

/** Paths (names joined by dots) in the producer's answer to the first and last sequence number written; default `first` and `last`. */
export interface ProducerSequences {
  readonly first: string;
  readonly last: string;
}

export type ProducerRule =
  | {
      readonly kind: "http";
      readonly method: string;
      readonly path: string;
      readonly body: string;
      readonly contentType: string;
      readonly sequences?: ProducerSequences;
    }
  | { readonly kind: "command"; readonly command: string }
  | {
      readonly kind: "grpc";
      readonly method: string;
      readonly message: Message;
      /** Absent until the types are known. */ readonly codec?: MessageCodec;
      readonly sequences?: ProducerSequences;
    }
  | Absence;

export type ProbeRule =
  | { readonly kind: "http"; readonly path: string; readonly openStreams?: string; readonly rssBytes?: string }
  | { readonly kind: "prometheus"; readonly path: string; readonly openStreams?: string; readonly rssBytes?: string }
  | { readonly kind: "channelz" }
  | { readonly kind: "process" }
  | Absence;

/** A field of a protobuf message: what a compiled reader needs. */
export interface ProtobufField {
  readonly name: string;
  readonly number: number;
  /** Protobuf scalar name (`string`, `uint64` …), `enum` or `message`. */
  readonly type: string;
  readonly repeated: boolean;
}

/** Turns messages into bytes and back. `decode` throws an Error whose message says what is wrong and at which byte or field. */
export interface MessageCodec {
  /** `text`: JSON in a text frame; `binary`: bytes. */
  readonly form: "text" | "binary";
  encode(message: Message): Uint8Array;
  /**
   * The message that `bytes` holds, in [start, end) of them. Default: in all. Throws when it is none, naming places counted from `start`; for JSON any
   * value may come, so a non-object throws.
   */
  decode(bytes: Uint8Array, start?: number, end?: number): Message;
}

export interface GrpcBinding {
  /** `/logger.Logger/Monitor` */
  readonly path: string;
  readonly codec: MessageCodec;
  readonly entryFields: readonly ProtobufField[];
  readonly filterFields: readonly ProtobufField[];
  /** The types as the bytes of a FileDescriptorSet, for tools with a protobuf library of their own. */
  readonly descriptorSet?: () => Promise<Uint8Array>;
}

export interface WebSocketBinding {
  /** Path and query used when the URL has none. */
  readonly path: string;
  /** Text that says "I will send no more"; undefined: the Close frame says it. */
  readonly endText: string | undefined;
  readonly subprotocols: readonly string[];
  readonly headers: readonly (readonly [string, string])[];
  /** Origins that the server lets in, any other being refused; undefined: no policy is declared. */
  readonly origins?: readonly string[];
  readonly codec: MessageCodec;
}

/** A compiled contract: all that the harness knows about a monitor. */
export interface Contract {
  readonly name: string;
  readonly about: string;
  /** Where it was read from, for messages. */
  readonly source: string;
  /** SHA-256 of its text, hex. */
  readonly hash: string;
  readonly grpc: GrpcBinding | undefined;
  readonly websocket: WebSocketBinding | undefined;
  readonly filters: Readonly<Record<string, Filter>>;
  readonly roles: Roles;
  readonly entries: EntryRules;
  readonly semantics: Semantics;
  readonly bounds: Bounds;
  /** Greatest size of one filter message in bytes that is accepted; undefined: not stated. */
  readonly filterBytes: number | undefined;
  readonly producer: ProducerRule;
  readonly probe: ProbeRule;
  /** No message is an ack, a heartbeat or a list: each is one entry as it comes, so that entries can be read where they lie. Default false. */
  readonly everyMessageIsAnEntry?: boolean;
  /** How each match rule reads fields, for compiled readers; undefined where a rule needs more, or a message is more than one entry. */
  readonly matchRules: readonly MatchRule[] | undefined;
  /** Protobuf types of the entries' fields, by the names that rules use; none where nothing declares them. Default: none. */
  readonly entryTypes?: ReadonlyMap<string, string>;
  /** The match rules from whose values filters and entries at their edges can be made, whatever an entry looks like on its way; none: empty or absent. */
  readonly edgeRules?: readonly MatchRule[];
  /** Fields of filters that CEL or a range judges: where their edges are, only the samples tell. Default: none. */
  readonly sampledFields?: readonly string[];
  /** A filter from one message that no name stands for. */
  filter(message: Message): Filter;
  /** Sent before the first filter. */
  readonly prelude: readonly Message[];
  /** Whether a received message answers the prelude: nothing else may be sent before one came. Absent: the prelude needs no answer. */
  preludeReply?(message: Message): boolean;
  /** Messages that open with a filter. `slot` counts the stream's filters from 1. */
  opening(filter: Filter, slot: number): readonly Message[];
  /** Messages that change from one filter to the next. */
  updating(from: Filter, to: Filter, slot: number): readonly Message[];
  /** What a received message is. */
  classify(message: Message): Received;
  /** A draft of an entry that every filter of `yes` and no filter of `no` lets through; undefined when the contract gives no way to make one. */
  draft(yes: readonly Filter[], no: readonly Filter[], learned?: LearnedDrafts): EntryDraft | undefined;
  /** The entry that is made of a draft, with numbers and booleans where the types are known. */
  entryOf(draft: EntryDraft): Entry;
  /** What is wrong with an entry's shape, or undefined. */
  violationOf(entry: Entry): string | undefined;
  /** When an entry says that it was written, in microseconds since the Unix epoch; NaN when it does not, or not by RFC 3339. */
  timeOf(entry: Entry): number;
}

/** `entry` passes a rule when the filter's field is absent, or stands in the stated relation to the entry's field. */
export type MatchRule =
  | { readonly filter: string; readonly entry: string; readonly rule: "one-of" | "equals" | "contains" | "prefix" }
  | { readonly filter: string; readonly entry: string; readonly rule: "at-least" | "at-most"; readonly order: readonly string[] | undefined };

/** What people call a transport. */
export function transportName(transport: Transport): string {
  return transport === "grpc" ? "gRPC" : "WebSocket";
}

/** The named filters that the server takes and that let entries through: neither the silent one nor those that are invalid. */
export function ordinaryFilters({ filters, roles }: Pick<Contract, "filters" | "roles">): readonly Filter[] {
  return Object.values(filters).filter((filter) => filter !== roles.silent && !roles.invalid.some((invalid) => invalid.filter === filter));
}

/** The sequence number of an entry; bigint where it is beyond 2^53; undefined where it has none. */
export function sequenceOf(rules: EntryRules, entry: Entry): number | bigint | undefined {
  const value = rules.sequence === undefined ? undefined : entry[rules.sequence];
  if (typeof value === "number" || typeof value === "bigint") {
    return value;
  }
  // A uint64 has at most 20 digits; a text of millions would take minutes to become a number.
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) {
    const narrow = Number(value);
    return Number.isSafeInteger(narrow) ? narrow : BigInt(value);
  }
  return undefined;
}

/**
 * What a produced entry is told from others by, or undefined: the token that it carries. Where entries have no field for one it is their number,
 * as `numberToken` writes it; every entry with a number has such a token, whoever wrote it.
 */
export function tokenOf(rules: EntryRules, entry: Entry): string | undefined {
  if (rules.token === undefined) {
    const number = rules.order === "increasing" ? sequenceOf(rules, entry) : undefined;
    return number === undefined ? undefined : numberToken(number);
  }
  const value = entry[rules.token];
  return typeof value === "string" ? value : undefined;
}

/** The token of an entry that is known by its number alone. */
export function numberToken(number: number | bigint): string {
  return `#${number}`;
}
