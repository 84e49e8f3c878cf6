import type { Duplex } from "node:stream";

/**
 * Makes a socket deliver what it has received before an error destroys it. Node drops a socket at the first failed write; but where a peer says
 * why it leaves, and resets because it did not read all of ours, its last words lie in our kernel and are read first here.
 * `onError` hears the error at once; `end`, if any, and `close` come when all is read.
 */
export function drainBeforeDestroy(socket: Duplex, onError: (error: NodeJS.ErrnoException) => void): void {
  const destroy = socket.destroy.bind(socket);
  let failure: Error | undefined;
  const drain = (bytesReadBefore: number): void => {
    // One whole turn of the event loop without a byte: the kernel holds no more. A paused reader is waited for.
    setImmediate(() => {
      if (socket.destroyed) return;
      const bytesRead = readSoFar(socket);
      if (!socket.isPaused() && bytesRead === bytesReadBefore) destroy(failure);
      else if (socket.isPaused()) socket.once("resume", () => drain(-1));
      else drain(bytesRead);
    });
  };
  socket.destroy = (error?: Error | null): typeof socket => {
    if (error === undefined || error === null) return destroy();
    if (failure !== undefined || socket.destroyed) return socket;
    failure = error;
    onError(error);
    drain(-1);
    return socket;
  };
}

function readSoFar(socket: Duplex): number {
  return "bytesRead" in socket && typeof socket.bytesRead === "number" ? socket.bytesRead : 0;
}
