import { beyondMicros } from "../core/histogram.js";

/** A latency: `812 µs`, `1.21 ms`, `2.50 s`; `∞` for a value beyond what can be measured. */
export function microseconds(value: number): string {
  if (!(value < beyondMicros)) {
    return "∞";
  }
  if (value < 1000) {
    return `${significant(value)} µs`;
  }
  return value < 1_000_000 ? `${significant(value / 1000)} ms` : `${significant(value / 1_000_000)} s`;
}

/** A span of time given in milliseconds: `12.3 ms`, `8.21 s`, `2 min 5 s`, `1 h 2 min`. */
export function milliseconds(value: number): string {
  if (value < 60_000) {
    return microseconds(value * 1000);
  }
  const seconds = Math.round(value / 1000);
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s` : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A count with thin groups of three digits: `633,120`; a fraction keeps at most two places. */
export function count(value: number): string {
  const rounded = Number.isInteger(value) || Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
  const [whole = "0", fraction] = String(rounded).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Bytes in powers of 1024: `64 KiB`, `7.6 GiB`. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${significant(scaled)} ${units[unit] ?? "B"}`;
}

/** A counter or figure of a workload with the unit that its name implies; most are plain counts. */
export function figure(name: string, value: number): string {
  if (name === "target-rss-slope") {
    return `${bytes(value)}/s`;
  }
  if (name === "bytes" || name === "target-rss") {
    return bytes(value);
  }
  return name === "resolution" ? microseconds(value) : count(value);
}

/** `1 check`, `3 checks`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function significant(value: number): string {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) {
    return count(Math.round(value));
  }
  return value.toFixed(size >= 10 ? 1 : 2);
}
