import type { Transport } from "../core/contract.js";
import type { Check } from "./check.js";

/** One check to be run on one transport. */
export interface Task {
  readonly check: Check;
  readonly transport: Transport;
}

/** Whether nothing may run beside it. */
export function runsAlone({ check }: Task): boolean {
  return check.exclusive === true || check.last === true;
}
