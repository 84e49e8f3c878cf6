import { topics, type Check, type Topic } from "../src/conformance/check.js";
import { badInputChecks } from "./bad-input.js";
import { cancellationChecks } from "./cancellation.js";
import { eofChecks } from "./eof.js";
import { explorationChecks } from "./exploration.js";
import { filterUpdateChecks } from "./filter-updates.js";
import { firstFilterChecks } from "./first-filter.js";
import { floodChecks } from "./floods.js";
import { flowControlChecks } from "./flow-control.js";
import { fragmentChecks } from "./fragments.js";
import { isolationChecks } from "./isolation.js";
import { midStreamCloseChecks } from "./mid-stream-close.js";
import { openingChecks } from "./opening.js";
import { quietLogChecks } from "./quiet-log.js";
import { resourceChecks } from "./resources.js";
import { robustnessChecks } from "./robustness.js";
import { securityChecks } from "./security.js";
import { slowReaderChecks } from "./slow-reader.js";

const all: readonly Check[] = [
  ...openingChecks,
  ...firstFilterChecks,
  ...filterUpdateChecks,
  ...quietLogChecks,
  ...fragmentChecks,
  ...eofChecks,
  ...midStreamCloseChecks,
  ...cancellationChecks,
  ...badInputChecks,
  ...flowControlChecks,
  ...slowReaderChecks,
  ...isolationChecks,
  ...resourceChecks,
  ...robustnessChecks,
  ...floodChecks,
  ...securityChecks,
  ...explorationChecks,
];

/** Every check, topic by topic; the order is that of lists and reports. */
export const checks: readonly Check[] = all.toSorted((a, b) => topics.indexOf(topicOf(a)) - topics.indexOf(topicOf(b)));

function topicOf(check: Check): Topic {
  return check.id.slice(0, check.id.indexOf("/")) as Topic;
}
