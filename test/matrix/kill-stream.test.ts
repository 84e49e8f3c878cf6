import t from "tap";
import { streamFaults } from "../../src/reference/stream-faults.js";
import { provesExactly } from "./proves-exactly.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, streamFaults);
