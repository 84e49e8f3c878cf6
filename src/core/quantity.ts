import { beyondMicros } from "./histogram.js";

/** `830us`, `17.2ms`, `1.50s`: three significant digits; `∞` for what never came, `-` for NaN. */
export function formatMicros(micros: number): string {
  if (Number.isNaN(micros)) {
    return "-";
  }
  if (micros >= beyondMicros) {
    return "∞";
  }
  const size = Math.abs(micros);
  if (size < 999.5) {
    return `${three(micros)}us`;
  }
  return size < 999_500 ? `${three(micros / 1000)}ms` : `${three(micros / 1_000_000)}s`;
}

/** `1.10`, `20,500`: three significant digits below a thousand, whole with separators above. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? "-" : value > 0 ? "∞" : "-∞";
  }
  return Number.isInteger(value) || Math.abs(value) >= 1000 ? separated(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function three(value: number): string {
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function separated(whole: number): string {
  return String(whole).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}
