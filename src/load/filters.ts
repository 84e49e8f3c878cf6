import type { Contract, Filter, Message } from "../core/contract.js";
import { HarnessError } from "../core/errors.js";
import { didYouMean } from "../core/suggest.js";
import type { FilterReference, Workload, WorkloadStep } from "../core/workload.js";
import type { LedgerFilter } from "./ledger.js";

/** A filter of a workload, resolved for one contract. */
export interface PreparedFilter extends LedgerFilter {
  readonly filter: Filter;
}

const roleNames = ["$broad", "$silent", "$disjoint.1", "$disjoint.2", "$overlap.1", "$overlap.2"];

/**
 * Resolves references for one contract; the same reference gives the same object.
 * @throws HarnessError `workload` from the returned function, naming the role or filter that the contract lacks.
 */
export function filterResolver(contract: Contract, place: string): (reference: FilterReference) => PreparedFilter {
  const known = new Map<string, PreparedFilter>();
  return (reference) => {
    const key = typeof reference === "string" ? reference : JSON.stringify(reference);
    let prepared = known.get(key);
    if (prepared === undefined) {
      const filter = typeof reference === "string" ? named(contract, reference, place) : contract.filter(reference);
      // Two names of one filter must be one object: sending it again changes nothing.
      prepared = [...known.values()].find((other) => other.filter === filter || sameMessages(other.filter, filter));
      prepared ??= {
        filter,
        everything: filter.everything === true,
        nothing: contract.roles.silent !== undefined && sameMessages(contract.roles.silent, filter),
      };
      known.set(key, prepared);
    }
    return prepared;
  };
}

/** Every reference of a workload, once. */
export function referencesOf(workload: Workload): FilterReference[] {
  const steps = workload.groups.flatMap((group) => [...group.begin, ...group.each, ...group.finish]);
  const references = steps.flatMap((step: WorkloadStep): readonly FilterReference[] =>
    step.kind === "send" ? step.filters : step.kind === "produce" ? [step.filter] : [],
  );
  return [...new Map(references.map((reference) => [JSON.stringify(reference), reference])).values()];
}

function named(contract: Contract, reference: string, place: string): Filter {
  const { roles, filters } = contract;
  const byRole: Readonly<Record<string, Filter | undefined>> = {
    $broad: roles.broad,
    $silent: roles.silent,
    "$disjoint.1": roles.disjoint?.[0],
    "$disjoint.2": roles.disjoint?.[1],
    "$overlap.1": roles.overlap?.[0],
    "$overlap.2": roles.overlap?.[1],
  };
  if (reference.startsWith("$")) {
    if (!roleNames.includes(reference)) {
      throw new HarnessError("workload", `Unknown role "${reference}".${didYouMean(reference, roleNames) || ` Known: ${roleNames.join(", ")}.`}`, { place });
    }
    const filter = byRole[reference];
    if (filter === undefined) {
      const role = reference.slice(1).replace(/\..*/, "");
      throw new HarnessError("workload", `The workload needs the role "${role}", which the contract "${contract.name}" does not have.`, {
        place,
        hint: `Add "roles: { ${role}: … }" to ${contract.source}.`,
      });
    }
    return filter;
  }
  const filter = Object.hasOwn(filters, reference) ? filters[reference] : undefined;
  if (filter === undefined) {
    const known = [...Object.keys(filters), ...roleNames];
    throw new HarnessError(
      "workload",
      `The contract "${contract.name}" has no filter "${reference}".${didYouMean(reference, known) || ` Known: ${known.join(", ")}.`}`,
      { place },
    );
  }
  return filter;
}

function sameMessages(a: Filter, b: Filter): boolean {
  return messagesKey(a.messages) === messagesKey(b.messages);
}

function messagesKey(messages: readonly Message[]): string {
  return JSON.stringify(messages, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}
