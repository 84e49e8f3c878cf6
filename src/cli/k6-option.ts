import type { OptionSpec } from "./options.js";

/** Which k6 is meant; the same of every command that needs one. */
export const k6Option = { kind: "text", group: "k6", value: "FILE", about: "The k6 to use", fallback: "k6 on PATH" } as const satisfies OptionSpec;
