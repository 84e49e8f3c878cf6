import type { StreamEnd } from "../core/stream.js";
import type { PreparedFilter } from "./filters.js";
import type { StreamLedger } from "./ledger.js";
import type { Meter } from "./meter.js";

/** One stream as a workload drives it; what it receives goes straight to its ledger. */
export interface LoadStream {
  /** Writes the filter; resolves when flow control took it. Rejects when the stream has ended. */
  send(filter: PreparedFilter): Promise<void>;
  end(): Promise<void>;
  cancel(): void;
  pause(): void;
  resume(): void;
  /** Settles once, never rejects. */
  readonly ended: Promise<StreamEnd>;
  /** When anything last came on the connection, also after the stream's end; undefined where the driver does not tell. */
  lastInboundMicros(): number | undefined;
}

export interface LoadStreamRequest {
  /** Index of the target. */
  readonly target: number;
  /** Streams that may share a connection. */
  readonly streamsPerConnection: number;
  readonly ledger: StreamLedger<PreparedFilter>;
  readonly meter: Meter;
}

/** Opens streams on the targets; owns their connections. */
export interface StreamSource {
  /** Resolves the filters of a target's contract. */
  prepare(target: number): (reference: string | Readonly<Record<string, unknown>>) => PreparedFilter;
  /** Rejects with HarnessError `unreachable` when there is no connection; a refusal by the server shows in `ended`. */
  open(request: LoadStreamRequest): Promise<LoadStream>;
  /** What it could not do as fast, or could not see; sentences for the report. */
  readonly remarks: readonly string[];
  close(): Promise<void>;
}
