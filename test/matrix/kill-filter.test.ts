import t from "tap";
import { filterFaults } from "../../src/reference/filter-faults.js";
import { provesExactly } from "./proves-exactly.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, filterFaults);
