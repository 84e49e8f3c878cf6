import { once } from "node:events";
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { Pipe, resetSocket, type PipeOptions } from "../../src/relay/pipe.js";
import { startBytePeer } from "../wire/byte-peer.js";

/** A pipe from the far end of one connection to the near end of another: write into `source`, read from `sink`. */
async function piped(t: Test, options: Partial<PipeOptions> = {}): Promise<{ pipe: Pipe; source: Socket; sink: Socket; to: Socket }> {
  const accepted: Socket[] = [];
  const peer = await startBytePeer((socket) => void accepted.push(socket));
  const dial = async (): Promise<[near: Socket, far: Socket]> => {
    const near = connect({ host: "127.0.0.1", port: peer.port, allowHalfOpen: true });
    near.on("error", () => {});
    await once(near, "connect");
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    t.teardown(() => near.destroy());
    return [near, accepted.pop() as Socket];
  };
  t.teardown(() => peer.close());
  const [source, from] = await dial();
  const [to, sink] = await dial();
  return { pipe: new Pipe(from, to, { segmentBytes: Infinity, delayMs: 0, maxHeldBytes: 1000, ...options }), source, sink, to };
}

t.test("nothing is read before the start, also after a resume", async (t) => {
  const { pipe, source, sink } = await piped(t);
  pipe.resume();
  source.end("early");
  const chunks: Buffer[] = [];
  sink.on("data", (chunk: Buffer) => chunks.push(chunk));
  pipe.start();
  await once(sink, "end");
  t.equal(Buffer.concat(chunks).toString(), "early");
  t.equal(pipe.bytes, 5);
});

t.test("more than is held at a time passes whole", async (t) => {
  const { pipe, source, sink } = await piped(t, { maxHeldBytes: 10, segmentBytes: 7 });
  pipe.start();
  source.end(Buffer.alloc(3000, 0x61));
  let bytes = 0;
  sink.on("data", (chunk: Buffer) => (bytes += chunk.length));
  await once(sink, "end");
  t.equal(bytes, 3000);
});

t.test("a stopped pipe counts what comes and forwards none of it", async (t) => {
  const { pipe, source, sink, to } = await piped(t);
  pipe.start();
  pipe.stop();
  source.write("into nothing");
  while (pipe.bytes < 12) await new Promise((resolve) => setImmediate(resolve));
  to.end();
  let bytes = 0;
  sink.on("data", (chunk: Buffer) => (bytes += chunk.length));
  await once(sink, "end");
  t.equal(bytes, 0);
});

t.test("a socket whose FIN is on its way out is closed where it cannot be reset", async (t) => {
  const { to } = await piped(t);
  const closed = once(to, "close");
  to.end();
  resetSocket(to);
  await closed;
  resetSocket(to);
  t.ok(to.destroyed);
});
