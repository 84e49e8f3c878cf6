import t from "tap";
import { webSocketFaults } from "../../src/reference/websocket-faults.js";
import { provesExactly } from "./proves-exactly.js";

t.setTimeout(15 * 60 * 1000);
provesExactly(t, webSocketFaults);
