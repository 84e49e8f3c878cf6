import type { Contract, Filter, Roles } from "./contract.js";

/** Names of filters that every contract can give: roles. */
const roleReferences = ["$broad", "$silent", "$disjoint.1", "$disjoint.2", "$overlap.1", "$overlap.2"] as const;

/** The filter that a role reference stands for; undefined when the contract has no such role, or the text is no role reference. */
export function filterOfRole(roles: Roles, reference: string): Filter | undefined {
  switch (reference) {
    case "$broad":
      return roles.broad;
    case "$silent":
      return roles.silent;
    case "$disjoint.1":
      return roles.disjoint?.[0];
    case "$disjoint.2":
      return roles.disjoint?.[1];
    case "$overlap.1":
      return roles.overlap?.[0];
    case "$overlap.2":
      return roles.overlap?.[1];
    default:
      return undefined;
  }
}

/** Every name by which a file may refer to a filter of the contract. */
export function filterNames(contract: Contract): string[] {
  return [...Object.keys(contract.filters), ...roleReferences];
}
