import t from "tap";
import { updateFaults } from "../../src/reference/update-faults.js";
import { provesExactly } from "./proves-exactly.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, updateFaults);
