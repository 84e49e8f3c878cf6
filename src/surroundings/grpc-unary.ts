import { rootCertificates } from "node:tls";
import { Client, credentials, type ChannelCredentials, Metadata, type ServiceError, status as grpcStatus } from "@grpc/grpc-js";
import type { TlsOptions } from "../core/target.js";

/** Where plain gRPC calls go. */
export interface GrpcAddress {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsOptions | undefined;
  /** Sent as metadata; may hold secrets. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

export type UnaryAnswer =
  | { readonly kind: "answered"; readonly bytes: Uint8Array }
  | { readonly kind: "refused"; readonly status: number; readonly detail: string };

/** A connection for several calls; the caller closes it. */
export function openClient(address: GrpcAddress): Client {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return new Client(`${host}:${address.port}`, credentialsFor(address.tls), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    ...(address.tls?.servername === undefined
      ? {}
      : { "grpc.ssl_target_name_override": address.tls.servername, "grpc.default_authority": address.tls.servername }),
  });
}

/** One call. Never rejects: a status other than OK, and no connection, are answers. */
export function callOn(
  client: Client,
  address: GrpcAddress,
  call: { readonly path: string; readonly request: Uint8Array; readonly timeoutMs: number },
): Promise<UnaryAnswer> {
  const metadata = new Metadata();
  for (const [name, value] of address.headers ?? []) {
    metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      call.path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => bytes,
      call.request,
      metadata,
      { deadline: Date.now() + call.timeoutMs },
      (error: ServiceError | null, answer?: Buffer) => {
        if (error === null && answer !== undefined) {
          resolve({ kind: "answered", bytes: answer });
        } else {
          const status = error?.code ?? grpcStatus.INTERNAL;
          resolve({ kind: "refused", status, detail: `${grpcStatus[status] ?? status}: ${error?.details ?? "no answer"}` });
        }
      },
    );
  });
}

function credentialsFor(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) {
    return credentials.createInsecure();
  }
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const ca = tls.ca === undefined ? undefined : [tls.ca, ...rootCertificates].join("\n");
  return credentials.createSsl(pem(ca), pem(tls.key), pem(tls.cert), { rejectUnauthorized: tls.insecure !== true });
}
