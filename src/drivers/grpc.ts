import {
  Client,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  type ChannelCredentials,
  type ChannelOptions,
  Metadata,
  status as grpcStatus,
  type StatusObject,
} from "@grpc/grpc-js";
import { HarnessError } from "../core/errors.js";
import type { Connection, Driver, MonitorStream, OpenOptions, StreamEnd } from "../core/stream.js";
import type { Target, TlsOptions } from "../core/target.js";
import { connectHttp2 } from "../wire/http2-connection.js";
import { nowMicros } from "../wire/wire-clock.js";
import { decodedEvent, grpcBindingOf } from "./grpc-binding.js";
import { trustedAuthorities, wireTls } from "./tls.js";
import { unreachable } from "./unreachable.js";

/** Largest message received, as the wire driver has it. */
const maxMessageBytes = 16 * 1024 * 1024;

/** gRPC through the library that Node users use: would a real client be happy? */
export const grpcDriver: Driver = {
  name: "grpc",
  transport: "grpc",
  hides: [
    "entries that arrive just before a status other than OK: the library drops them",
    "what a reset without a half-close does: the library half-closes before it resets",
    "frames: their borders, order and times",
    "a server's RST_STREAM after its trailers",
  ],
  async connect(target, { timeoutMs, signal }) {
    const client = new Client(authorityOf(target), credentialsFor(target.tls), channelOptions(target));
    try {
      await ready(client, timeoutMs, signal);
    } catch {
      client.close();
      throw await explainFailure(target, timeoutMs, signal);
    }
    return {
      open: (options) => Promise.resolve(openStream(client, target, options)),
      close() {
        client.close();
        return Promise.resolve();
      },
    } satisfies Connection;
  },
};

/** Resolves when the channel is ready; rejects at its first failure instead of retrying, at the deadline, or when aborted. */
async function ready(client: Client, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
  const channel = client.getChannel();
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) {
      return;
    }
    if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN || signal?.aborted === true) {
      throw new Error("not ready");
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(new Error("aborted"));
      signal?.addEventListener("abort", abort, { once: true });
      channel.watchConnectivityState(state, deadlineMs, (error) => {
        signal?.removeEventListener("abort", abort);
        if (error === undefined) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
  }
}

/** The library does not say what it met: our own connection looks again. */
async function explainFailure(target: Target, timeoutMs: number, signal: AbortSignal | undefined): Promise<unknown> {
  try {
    const http2 = await connectHttp2({
      host: target.host,
      port: target.port,
      connectTimeoutMs: timeoutMs,
      ...(target.tls === undefined ? {} : { tls: wireTls(target.tls) }),
      ...(signal === undefined ? {} : { signal }),
    });
    await http2.close();
  } catch (thrown) {
    return unreachable(target, thrown);
  }
  return new HarnessError("unreachable", `${target.url}: @grpc/grpc-js gets no connection, though HTTP/2 is spoken there.`, {
    place: target.url,
    hint: "Try --driver wire.",
  });
}

function openStream(client: Client, target: Target, options: OpenOptions): MonitorStream {
  const { codec } = grpcBindingOf(target);
  const { events, signal } = options;
  const metadata = new Metadata();
  for (const [name, value] of [...target.headers, ...(options.headers ?? [])]) {
    metadata.add(name, name.endsWith("-bin") ? Buffer.from(value, "base64") : value);
  }
  if (options.grpcTimeout !== undefined) {
    // As metadata it is sent as it is, and the library sets no timer of its own.
    metadata.set("grpc-timeout", options.grpcTimeout);
  }
  const call: ClientDuplexStream<Uint8Array, Buffer> = client.makeBidiStreamRequest(
    target.path,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => bytes,
    metadata,
  );
  let end: StreamEnd | undefined;
  let cancelled = false;
  const cancel = (): void => {
    cancelled = true;
    call.cancel();
  };
  const ended = new Promise<StreamEnd>((resolve) => {
    call.on("status", (status: StatusObject) => {
      signal?.removeEventListener("abort", cancel);
      end = streamEndOf(status, cancelled);
      events({ kind: "ended", atMicros: nowMicros(), end });
      resolve(end);
    });
  });
  call.on("metadata", (headers: Metadata) => events({ kind: "opened", atMicros: nowMicros(), headers: headersOf(headers) }));
  call.on("data", (bytes: Buffer) => {
    if (end === undefined) {
      events(decodedEvent(codec, bytes, nowMicros(), false));
    }
  });
  // Every error is a status too, and that is where it is told.
  call.on("error", () => undefined);
  if (signal?.aborted === true) {
    cancel();
  }
  signal?.addEventListener("abort", cancel, { once: true });
  return {
    send: (message) => write(call, codec.encode(message), ended),
    end() {
      if (end === undefined) {
        call.end();
      }
      return Promise.resolve();
    },
    cancel,
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    ended,
  };
}

function write(call: ClientDuplexStream<Uint8Array, Buffer>, bytes: Uint8Array, ended: Promise<StreamEnd>): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (): void => reject(new Error("the stream has ended"));
    if (call.writableEnded || call.destroyed) {
      refuse();
      return;
    }
    void ended.then(refuse);
    call.write(bytes, (error: Error | null | undefined) => (error === null || error === undefined ? resolve() : refuse()));
  });
}

/** What the library calls a status may be a reset, or the connection's end; its details are all that tells them apart. */
function streamEndOf(status: StatusObject, cancelled: boolean): StreamEnd {
  const name = grpcStatus[status.code] ?? `status ${status.code}`;
  if (status.code === grpcStatus.OK) {
    return { kind: "completed", native: "OK" };
  }
  if (cancelled && status.code === grpcStatus.CANCELLED) {
    return { kind: "lost", native: name, cause: "cancelled by the client" };
  }
  const reset = /^Received RST_STREAM with code (\d+)/.exec(status.details)?.[1];
  if (reset !== undefined) {
    return { kind: "rejected", native: `RST_STREAM ${resetNames[Number(reset)] ?? reset}`, code: status.code, detail: "" };
  }
  if (
    status.code === grpcStatus.UNAVAILABLE &&
    /^(Connection dropped|No connection established|Stream refused by server|read ECONNRESET|write EPIPE)/i.test(status.details)
  ) {
    return { kind: "lost", native: name, cause: status.details };
  }
  return { kind: "rejected", native: name, code: status.code, detail: status.details };
}

const resetNames: Readonly<Record<number, string>> = {
  0: "NO_ERROR",
  1: "PROTOCOL_ERROR",
  2: "INTERNAL_ERROR",
  3: "FLOW_CONTROL_ERROR",
  5: "STREAM_CLOSED",
  7: "REFUSED_STREAM",
  8: "CANCEL",
  11: "ENHANCE_YOUR_CALM",
};

function headersOf(metadata: Metadata): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata.toHttp2Headers()).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)]));
}

function authorityOf(target: Target): string {
  return target.host.includes(":") ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

function credentialsFor(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) {
    return credentials.createInsecure();
  }
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(pem(trustedAuthorities(tls)), pem(tls.key), pem(tls.cert), { rejectUnauthorized: tls.insecure !== true });
}

function channelOptions(target: Target): ChannelOptions {
  const servername = target.tls?.servername;
  return {
    // A connection of its own, which does what the check says and nothing by itself.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
    ...(servername === undefined ? {} : { "grpc.ssl_target_name_override": servername, "grpc.default_authority": servername }),
  };
}
