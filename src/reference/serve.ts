import { startReferenceServer, type ReferenceServer, type ReferenceServerOptions } from "./server.js";

export interface ServeOptions extends ReferenceServerOptions {
  /** Takes the ready line, without a newline. */
  readonly print: (line: string) => void;
  /** Ends the serving: a graceful stop. */
  readonly stop: AbortSignal;
  /** How long the stop may take, default 5000. */
  readonly graceMs?: number;
}

/** The line that says where a server listens. */
export function readyLine(server: Pick<ReferenceServer, "grpcPort" | "httpPort">): string {
  return `ready grpc=${server.grpcPort} http=${server.httpPort}`;
}

/** Serves until `stop` is aborted, and resolves when the server has stopped. Rejects where a port can't be had. */
export async function serveReference(options: ServeOptions): Promise<void> {
  const { print, stop, graceMs, ...server } = options;
  const running = await startReferenceServer(server);
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  print(readyLine(running));
  await stopped;
  await running.stop(graceMs === undefined ? {} : { graceMs });
}
