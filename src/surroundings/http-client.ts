import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { rootCertificates } from "node:tls";
import type { TlsOptions } from "../core/target.js";

/** Where plain HTTP requests go. */
export interface HttpOrigin {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string;
  /** Sent with every request; may hold secrets. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly tls?: TlsOptions;
  /** Bound on one request from dial to the answer's last byte. Default 5000. */
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** UTF-8. */
  readonly body: string;
}

/** No whole answer came; `refused`: nothing listens there. */
export class HttpFailure extends Error {
  readonly refused: boolean;

  constructor(message: string, refused: boolean) {
    super(message);
    this.refused = refused;
  }
}

export interface HttpClient {
  /** Rejects with HttpFailure; any status is an answer. Redirects are not followed. */
  request(method: string, path: string, body?: { readonly text: string; readonly contentType: string }): Promise<HttpAnswer>;
  close(): void;
}

/** Greatest answer that is read; more is a failure. */
const longestAnswerBytes = 8 * 1024 * 1024;
/** Below any server's idle timeout, so that no request meets a connection that is being closed. */
const idleSocketMs = 1000;

/** HTTP/1.1 requests to one origin, connections kept for a second. Only a request that met the end of an idle connection is sent again. */
export function createHttpClient(options: HttpOrigin): HttpClient {
  const base = new URL(options.origin);
  const secure = base.protocol === "https:";
  const agentOptions = { keepAlive: true, timeout: idleSocketMs, maxSockets: 16 };
  const agent = secure ? new HttpsAgent({ ...agentOptions, ...tlsSettings(options.tls ?? {}) }) : new HttpAgent(agentOptions);
  const timeoutMs = options.timeoutMs ?? 5000;
  return {
    request(method, path, body) {
      const payload = body === undefined ? undefined : Buffer.from(body.text);
      const headers: Record<string, string | number | string[]> = { accept: "*/*" };
      for (const [name, value] of options.headers ?? []) {
        headers[name] = value;
      }
      if (payload !== undefined && body !== undefined) {
        headers["content-type"] = body.contentType;
        headers["content-length"] = payload.length;
      }
      const signal = AbortSignal.timeout(timeoutMs);
      const attempt = (): Promise<HttpAnswer> => {
        let reused = false;
        return new Promise<HttpAnswer>((resolve, reject) => {
          const send = secure ? httpsRequest : httpRequest;
          const request = send(new URL(path, base), { method, headers, agent, signal }, (answer) => {
            reused = false;
            readAnswer(answer).then(resolve, reject);
          });
          request.on("error", reject);
          // Without a listener node drops the connection and tells nobody.
          request.on("upgrade", (answer, socket) => {
            socket.destroy();
            reject(new Error(`HTTP ${answer.statusCode ?? 0} to a plain request`));
          });
          request.on("socket", () => (reused = request.reusedSocket));
          request.end(payload);
        }).catch((error: NodeJS.ErrnoException) => {
          // The server closed an idle connection while the request was on its way to it: it never saw the request.
          if (reused && !signal.aborted && (error.code === "ECONNRESET" || error.code === "EPIPE")) {
            return attempt();
          }
          throw signal.aborted
            ? new HttpFailure(`no answer within ${timeoutMs} ms`, false)
            : new HttpFailure(explain(error), error.code === "ECONNREFUSED" || error.code === "ENOTFOUND");
        });
      };
      return attempt();
    },
    close: () => agent.destroy(),
  };
}

async function readAnswer(answer: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longestAnswerBytes) {
      answer.destroy();
      throw new Error(`the answer is longer than ${longestAnswerBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") };
}

function tlsSettings(tls: TlsOptions): {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
} {
  return {
    rejectUnauthorized: tls.insecure !== true,
    ...(tls.ca === undefined ? {} : { ca: [tls.ca, ...rootCertificates] }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
  };
}

function explain(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "nothing listens there (connection refused)";
    case "ENOTFOUND":
      return "the host is not known";
    case "HPE_INVALID_CONSTANT":
    case "HPE_INVALID_VERSION":
      return "what answers there is not HTTP/1.1";
    default:
      return error.message;
  }
}
