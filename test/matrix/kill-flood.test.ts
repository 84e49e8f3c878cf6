import t from "tap";
import { floodFaults } from "../../src/reference/flood-faults.js";
import { provesExactly } from "./proves-exactly.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, floodFaults);
