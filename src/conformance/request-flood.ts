import { createHttpClient } from "../surroundings/http-client.js";
import { upgrade } from "../wire/websocket-upgrade.js";
import type { Session } from "./session.js";

/** Requests that pour in on the monitor's path; the counts grow until it has settled. */
export interface RequestFlood {
  readonly sent: number;
  /** Whatever the answers were. */
  readonly answered: number;
  readonly over: boolean;
  /** All were answered, or the bound has passed and the rest were given up; never rejects. */
  readonly settled: Promise<void>;
}

export interface RequestFloodOptions {
  readonly requests: number;
  /** How many are under way at once. */
  readonly connections: number;
  /** Of all of them together. */
  readonly boundMs: number;
}

/** Sends plain GETs, on connections that are used again, and upgrades to a version that does not exist, on one each, in turn. */
export function pourRequests(session: Session, { requests, connections, boundMs }: RequestFloodOptions): RequestFlood {
  const { host, port, tls, path, headers } = session.target;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const client = createHttpClient({
    origin: `${tls === undefined ? "http" : "https"}://${authority}`,
    headers,
    ...(tls === undefined ? {} : { tls }),
    timeoutMs: boundMs,
  });
  const over = new AbortController();
  const stop = (): void => {
    over.abort();
    client.close();
  };
  session.defer(stop);
  let sent = 0;
  let answered = 0;
  const wrongUpgrade = async (): Promise<void> => {
    const outcome = await upgrade({
      host,
      port,
      path,
      headers,
      tls: tls === undefined ? undefined : { ...tls, rejectUnauthorized: tls.insecure !== true },
      version: "99",
      timeoutMs: boundMs,
      signal: over.signal,
    });
    if (outcome.kind === "accepted") {
      outcome.connection.destroy();
    }
  };
  const due = Array.from({ length: requests }, (_, i) => (i % 2 === 0 ? "plain" : "upgrade"));
  const line = async (): Promise<void> => {
    for (let request = due.shift(); request !== undefined && !over.signal.aborted; request = due.shift()) {
      sent++;
      try {
        await (request === "plain" ? client.request("GET", path) : wrongUpgrade());
        answered++;
      } catch {
        // Not answered, which is not what is judged here.
      }
      session.waiter.poke();
    }
  };
  let done: true | undefined;
  const lines = Promise.all(Array.from({ length: connections }, line)).then(() => {
    done = true;
    session.waiter.poke();
  });
  const settled = session
    .until(() => done, boundMs, { quiet: true })
    .then(async () => {
      stop();
      await lines;
    });
  return {
    get sent() {
      return sent;
    },
    get answered() {
      return answered;
    },
    get over() {
      return over.signal.aborted;
    },
    settled,
  };
}
