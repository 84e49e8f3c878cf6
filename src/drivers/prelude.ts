import type { Contract } from "../core/contract.js";
import { createPreludeGate } from "../core/prelude.js";
import type { Connection, Driver, MonitorStream, OpenOptions } from "../core/stream.js";

/** The driver, its streams holding back whatever is sent after the contract's prelude until the prelude is answered. */
export function withPrelude(driver: Driver): Driver {
  return {
    ...driver,
    async connect(target, options) {
      const connection = await driver.connect(target, options);
      const { contract } = target;
      if (contract.preludeReply === undefined) {
        return connection;
      }
      return { open: (open) => openGated(connection, open, contract), close: () => connection.close() };
    },
  };
}

async function openGated(connection: Connection, options: OpenOptions, contract: Contract): Promise<MonitorStream> {
  const gate = createPreludeGate(contract);
  const stream = await connection.open({
    ...options,
    events(event) {
      gate.hear(event);
      options.events(event);
    },
  });
  return {
    async send(message) {
      await gate.pass();
      await stream.send(message);
    },
    end: () => stream.end(),
    cancel: () => stream.cancel(),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    ended: stream.ended,
  };
}
