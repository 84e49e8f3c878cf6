import type { Contract, Transport } from "./contract.js";

export interface TlsOptions {
  /** PEM of the authorities to trust beside the system's. */
  readonly ca?: string;
  /** Accept any certificate. Default false. */
  readonly insecure?: boolean;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

/** One server on one transport, with all that is needed to open a stream on it. */
export interface Target {
  /** As the user wrote it, secrets redacted. */
  readonly url: string;
  readonly transport: Transport;
  readonly host: string;
  readonly port: number;
  /** TLS options, or undefined for plain text. */
  readonly tls: TlsOptions | undefined;
  /** WebSocket: path and query of the upgrade. gRPC: path of the method. */
  readonly path: string;
  /** Sent with every call or upgrade, names in lower case; may hold secrets. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly contract: Contract;
}
