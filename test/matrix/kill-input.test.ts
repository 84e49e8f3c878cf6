import t from "tap";
import { inputFaults } from "../../src/reference/input-faults.js";
import { provesExactly } from "./proves-exactly.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, inputFaults);
