import { once } from "node:events";
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { startRelay, type Relay, type RelayedConnection, type RelayOptions } from "../../src/relay/relay.js";
import { startBytePeer, type BytePeer } from "../wire/byte-peer.js";

/** A client joined through a relay to a peer that plays `onSocket`. */
async function joined(
  t: Test,
  onSocket: (socket: Socket) => void,
  options: Partial<RelayOptions> = {},
): Promise<{ peer: BytePeer; relay: Relay; client: Socket; connection: RelayedConnection }> {
  const peer = await startBytePeer(onSocket);
  const seen: RelayedConnection[] = [];
  const relay = await startRelay({ target: { host: "127.0.0.1", port: peer.port }, onConnection: (connection) => seen.push(connection), ...options });
  const client = connect({ host: relay.host, port: relay.port, allowHalfOpen: true, noDelay: true });
  client.on("error", () => {});
  t.teardown(async () => {
    client.destroy();
    await relay.close();
    await peer.close();
  });
  await once(client, "connect");
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return { peer, relay, client, connection: seen[0]! };
}

/** Collects what a socket receives until it ends. */
async function received(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  return text;
}

/** How a socket ended: its error's code, or FIN. */
function endOf(socket: Socket): Promise<string> {
  socket.resume();
  return new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "?"));
    socket.once("end", () => resolve("fin"));
  });
}

const echo = (socket: Socket): void => void socket.on("data", (chunk: Buffer) => socket.write(chunk)).on("end", () => socket.end());

t.test("bytes and FIN go both ways, and are counted with their times", async (t) => {
  const { client, connection } = await joined(t, echo);
  const startedAtMicros = performance.now() * 1000;
  client.end("hello");
  t.equal(await received(client), "hello");
  await connection.ended;
  t.equal(connection.fromClient.bytes, 5);
  t.equal(connection.fromTarget.bytes, 5);
  t.ok(connection.fromTarget.lastInboundAtMicros! >= startedAtMicros - 1);
  t.ok(connection.fromTarget.firstInboundAtMicros! <= connection.fromTarget.lastInboundAtMicros!);
});

t.test("segments of one byte are read one by one, and nothing is lost or moved", async (t) => {
  const text = "the quick brown fox jumps over the lazy dog".repeat(20);
  const sizes: number[] = [];
  const { client } = await joined(
    t,
    (socket) => {
      socket.on("data", (chunk: Buffer) => {
        sizes.push(chunk.length);
        socket.write(chunk);
      });
      socket.on("end", () => socket.end());
    },
    { segmentBytes: { "to-target": 1 } },
  );
  client.end(text);
  t.equal(await received(client), text);
  t.ok(sizes.length > text.length / 2, `${sizes.length} reads of ${text.length} bytes`);
});

t.test("a delay holds every byte, in order, and FIN behind them", async (t) => {
  const { client, connection } = await joined(t, echo, { delayMs: { "to-client": 50 } });
  client.write("a");
  client.end("b");
  t.equal(await received(client), "ab");
  t.ok(performance.now() * 1000 - connection.fromTarget.firstInboundAtMicros! >= 49_000);
});

t.test("a reset on one side is a reset on the other, also behind data", async (t) => {
  for (const data of ["", "data"]) {
    let end: Promise<string> | undefined;
    const { client, connection } = await joined(t, (socket) => {
      end = endOf(socket);
      socket.write("ready");
    });
    await once(client, "data");
    if (data !== "") await new Promise((resolve) => client.write(data, resolve));
    client.resetAndDestroy();
    t.match(await end, data === "" ? "ECONNRESET" : /ECONNRESET|fin/);
    await connection.ended;
  }
  const { client } = await joined(t, (socket) => void socket.once("data", () => socket.resetAndDestroy()));
  client.write("now");
  t.equal(await endOf(client), "ECONNRESET");
});

t.test("a target that cannot be dialled resets the client", async (t) => {
  const peer = await startBytePeer(() => {});
  await peer.close();
  const relay = await startRelay({ target: { host: "127.0.0.1", port: peer.port } });
  t.teardown(() => relay.close());
  const client = connect({ host: relay.host, port: relay.port });
  t.match(await endOf(client), /ECONNRESET|fin/);
});

t.test("a stalled direction passes nothing and lets TCP's window close, and loses nothing", async (t) => {
  const total = 50_000_000;
  let written = 0;
  const { client, connection } = await joined(
    t,
    (socket) => {
      const write = (): void => {
        while (written < total) {
          written += 100_000;
          if (!socket.write(Buffer.alloc(100_000))) return;
        }
        socket.end();
      };
      socket.on("drain", write);
      socket.once("data", write);
    },
    { maxHeldBytes: 10_000 },
  );
  connection.stall("to-client");
  let bytes = 0;
  client.on("data", (chunk: Buffer) => (bytes += chunk.length));
  client.write("go");
  // More turns of the loop than a relay that forwards would need for the first bytes.
  for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.equal(bytes, 0);
  t.ok(written < total, "back-pressure reached the target");
  t.ok(connection.fromTarget.bytes < 1_000_000, "and the relay holds little");
  connection.resume("to-client");
  await once(client, "end");
  t.equal(bytes, total);
});

t.test("a cut by FIN stops one direction, and the other goes on", async (t) => {
  let end: Promise<string> | undefined;
  const { client, connection } = await joined(t, (socket) => {
    end = endOf(socket).then((how) => {
      socket.end("after");
      return how;
    });
    socket.write("ready");
  });
  await once(client, "data");
  connection.cut("fin", "target");
  t.equal(await end, "fin");
  t.equal(await received(client), "after");
});

t.test("a cut by reset on one side leaves the other open and deaf", async (t) => {
  let end: Promise<string> | undefined;
  const { client, connection } = await joined(t, (socket) => {
    end = endOf(socket);
    socket.write("ready");
  });
  await once(client, "data");
  connection.cut("rst", "target");
  t.equal(await end, "ECONNRESET");
  await new Promise((resolve) => client.write("into nothing", resolve));
  t.notOk(client.destroyed);
  const clientEnd = endOf(client);
  connection.cut("fin", "client");
  t.equal(await clientEnd, "fin");
});

t.test("closing the relay resets what is open", async (t) => {
  const { client, relay, connection } = await joined(t, (socket) => void socket.write("ready"));
  await once(client, "data");
  t.equal(relay.connections.length, 1);
  const end = endOf(client);
  await relay.close();
  t.equal(await end, "ECONNRESET");
  await connection.ended;
  t.equal(relay.connections.length, 0);
  await t.rejects(once(connect({ host: relay.host, port: relay.port }), "connect"), { code: "ECONNREFUSED" });
});
