import { loadContract } from "../src/contract/load-contract.js";
import type { Transport } from "../src/core/contract.js";
import type { Driver } from "../src/core/stream.js";
import type { Target } from "../src/core/target.js";
import { drivers } from "../src/drivers/index.js";

/** A server of this machine as a target of the default contract, and the driver that verifies it in place. */
export async function targetAt(transport: Transport, port: number): Promise<{ readonly target: Target; readonly driver: Driver }> {
  const contract = await loadContract("logger");
  const [binding, driver] = transport === "grpc" ? [contract.grpc, drivers["grpc-wire"]] : [contract.websocket, drivers["websocket-wire"]];
  return {
    target: { url: `127.0.0.1:${port}`, transport, host: "127.0.0.1", port, tls: undefined, path: binding?.path ?? "", headers: [], contract },
    driver,
  };
}
