import t from "tap";
import { grpcFaults } from "../../src/reference/grpc-faults.js";
import { provesExactly } from "./proves-exactly.js";
import { runAgainstReference, runOf } from "./reference-run.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, grpcFaults);

t.test("without ALPN there is no target, and the run says why", async (t) => {
  await t.rejects(runAgainstReference(runOf("alpn-missing")), { code: "unreachable", message: /ALPN/ });
});
