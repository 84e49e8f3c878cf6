import type { Filter, InvalidFilter, Roles } from "../core/contract.js";
import type { ContractFile } from "./schema.js";

/** The roles with their filters; the names in them are known to exist. */
export function compileRoles(content: ContractFile, filters: Readonly<Record<string, Filter>>): Roles {
  const { broad, disjoint, overlap, silent } = content.roles;
  const named = (name: string): Filter => {
    const filter = filters[name];
    if (filter === undefined) {
      throw new Error(`role names the filter "${name}", which was not checked`);
    }
    return filter;
  };
  return {
    ...(broad === undefined ? {} : { broad: named(broad) }),
    ...(disjoint === undefined ? {} : { disjoint: [named(disjoint[0]), named(disjoint[1])] as const }),
    ...(overlap === undefined ? {} : { overlap: [named(overlap[0]), named(overlap[1])] as const }),
    ...(silent === undefined ? {} : { silent: named(silent) }),
    invalid: content.roles.invalid.map((invalid): InvalidFilter =>
      typeof invalid === "string"
        ? { filter: named(invalid), rejection: "end", grpcStatuses: [], wsCodes: [] }
        : { filter: named(invalid.filter), rejection: invalid.rejection, grpcStatuses: invalid["grpc-statuses"], wsCodes: invalid["ws-codes"] },
    ),
  };
}
