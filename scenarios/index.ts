import type { Check } from "../src/conformance/check.js";
import { filterUpdateChecks } from "./filter-updates.js";
import { firstFilterChecks } from "./first-filter.js";

/** Every check, topic by topic; the order is that of lists and reports. */
export const checks: readonly Check[] = [...firstFilterChecks, ...filterUpdateChecks];
