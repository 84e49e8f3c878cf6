import type { Duplex } from "node:stream";

/**
 * Makes a socket deliver what it has received before an error destroys it. Node drops a socket at the first failed write; but where a peer says
 * why it leaves, and resets because it did not read all of ours, its last words lie in our kernel and are read first here. For sockets with
 * `onread`, that is not over TLS: a stream that has failed emits no `data`.
 * `onError` hears the error at once; `end`, if any, and `close` come when all is read.
 */
export function drainBeforeDestroy(socket: Duplex, onError: (error: NodeJS.ErrnoException) => void): void {
  let failed = false;
  socket.destroy = (error?: Error | null): typeof socket => {
    if (error === undefined || error === null) return destroyNow(socket);
    if (failed || socket.destroyed) return socket;
    failed = true;
    onError(error);
    drain(socket, error, -1);
    return socket;
  };
}

function destroyNow<T extends Duplex>(socket: T, error?: Error): T {
  const prototype = Object.getPrototypeOf(socket) as T;
  prototype.destroy.call(socket, error);
  return socket;
}

function drain(socket: Duplex, error: Error, bytesReadBefore: number): void {
  // One whole turn of the event loop without a byte: the kernel holds no more. A paused reader is waited for.
  setImmediate(() => {
    if (socket.destroyed) return;
    const bytesRead = readSoFar(socket);
    if (socket.isPaused()) socket.once("resume", () => drain(socket, error, -1));
    else if (bytesRead === bytesReadBefore) destroyNow(socket, error);
    else drain(socket, error, bytesRead);
  });
}

function readSoFar(socket: Duplex): number {
  return "bytesRead" in socket && typeof socket.bytesRead === "number" ? socket.bytesRead : 0;
}
