import t, { type Test } from "tap";
import { loadContract } from "../../src/contract/load-contract.js";
import type { Filter } from "../../src/core/contract.js";
import { drivers } from "../../src/drivers/index.js";
import { createProducer } from "../../src/surroundings/producer.js";
import { hear, targetOf, type Heard } from "../drivers/listener.js";
import { startGraphqlServer } from "./graphql-server.js";

const contract = await loadContract("graphql-subscription");
const filterNamed = (name: string): Filter => contract.filters[name] as Filter;

async function opened(t: Test, name: "websocket" | "websocket-wire"): Promise<{ readonly heard: Heard; write(source: string, text: string): Promise<void> }> {
  const server = await startGraphqlServer();
  t.teardown(() => server.close());
  const driver = drivers[name];
  const connection = await driver.connect(targetOf(driver, contract, { grpcPort: 0, httpPort: server.port }), { timeoutMs: 5000 });
  t.teardown(() => connection.close());
  const heard = await hear(connection, contract);
  for (const message of contract.prelude) {
    await heard.stream.send(message);
  }
  const producer = createProducer(contract, { httpOrigin: `http://127.0.0.1:${server.port}` });
  t.teardown(() => producer?.close());
  return {
    heard,
    async write(source, text) {
      t.match(await producer?.produce([{ source, severity: "3", text }]), { kind: "produced", sequences: [Number, Number] });
    },
  };
}

const entriesOf = (heard: Heard): readonly Readonly<Record<string, unknown>>[] =>
  heard.messages.flatMap((message) => {
    const received = contract.classify(message);
    return received.kind === "entries" ? received.entries : [];
  });

for (const name of ["websocket", "websocket-wire"] as const) {
  t.test(`${name}: the first filter waits for the answer to the prelude, and its entries are read from their envelope`, async (t) => {
    const { heard, write } = await opened(t, name);
    await heard.filter(filterNamed("alpha"));
    await heard.until(() => heard.messages.find((message) => message["type"] === "ping"));
    // A ping and its pong are a barrier behind the subscription.
    await heard.stream.send({ type: "ping" });
    await heard.until(() => heard.messages.find((message) => message["type"] === "pong"));
    await write("beta", "not for us");
    await write("alpha", "for us");
    await heard.until(() => entriesOf(heard)[0]);
    const [entry = {}] = entriesOf(heard);
    t.match(entry, { sequence: 2, source: "alpha", severity: 3, text: "for us" });
    t.equal(contract.violationOf(entry), undefined);
    t.ok(filterNamed("alpha").matches(entry));
    t.equal(heard.end, undefined, "the server takes no operation before connection_ack");
  });

  t.test(`${name}: an update completes the operation before it, and a refused filter is a message`, async (t) => {
    const { heard, write } = await opened(t, name);
    await heard.filter(filterNamed("alpha"));
    for (const message of [...contract.updating(filterNamed("alpha"), filterNamed("beta"), 2), { type: "ping" }]) {
      await heard.stream.send(message);
    }
    await heard.until(() => heard.messages.find((message) => message["type"] === "pong"));
    await write("alpha", "old");
    await write("beta", "new");
    await heard.until(() => entriesOf(heard)[0]);
    t.same(
      entriesOf(heard).map((entry) => entry["text"]),
      ["new"],
    );
    for (const message of contract.updating(filterNamed("beta"), filterNamed("invalid"), 3)) {
      await heard.stream.send(message);
    }
    await heard.until(() => heard.messages.find((message) => contract.classify(message).kind === "rejection"));
    await heard.stream.end();
    t.match(await heard.stream.ended, { kind: "completed" });
  });
}

t.test("a ping is answered as the protocol asks", async (t) => {
  t.same(contract.classify({ type: "ping" }), { kind: "ignorable", name: "ping", answer: [{ type: "pong" }] });
  t.same(contract.classify({ type: "connection_ack" }), { kind: "ignorable", name: "prelude reply", answer: [] });
  t.match(contract.classify({ type: "what" }), { kind: "violation" });
});
