import { HarnessError, messageOf } from "../core/errors.js";
import type { PortableError } from "./worker-protocol.js";

/** An error as plain data. */
export function toPortableError(thrown: unknown): PortableError {
  return thrown instanceof HarnessError
    ? { code: thrown.code, message: thrown.message, place: thrown.place, hint: thrown.hint, stack: undefined }
    : { code: undefined, message: messageOf(thrown), place: undefined, hint: undefined, stack: thrown instanceof Error ? thrown.stack : undefined };
}

/** The error that the data stand for: a HarnessError again, or a plain one with the stack of where it was thrown. */
export function fromPortableError({ code, message, place, hint, stack }: PortableError): Error {
  if (code !== undefined) {
    return new HarnessError(code, message, { ...(place === undefined ? {} : { place }), ...(hint === undefined ? {} : { hint }) });
  }
  const error = new Error(message);
  if (stack !== undefined) {
    error.stack = stack;
  }
  return error;
}
