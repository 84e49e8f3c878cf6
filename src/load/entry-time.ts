const secondLength = "2026-01-01T00:00:00".length;

/**
 * Reads RFC 3339 times with 0 to 9 fraction digits as whole microseconds since the Unix epoch; NaN for anything else.
 * Keeps the last minute and second that it read, so that a stream of times costs a comparison each.
 */
export function createTimeReader(): (text: string) => number {
  let minute = "";
  let minuteStartMicros = 0;
  let second = "";
  let secondMicros = 0;
  return (text) => {
    const micros = second !== "" && text.startsWith(second) ? fractionMicros(text) : Number.NaN;
    if (micros === micros) {
      return secondMicros + micros;
    }
    const match = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
    if (match === null) {
      return Number.NaN;
    }
    const [, prefix = "", seconds = "", fraction = "", zone = ""] = match;
    const key = prefix + zone;
    if (key !== minute) {
      minuteStartMicros = Date.parse(`${prefix.replace(/[t ]/, "T")}:00${zone.toUpperCase()}`) * 1000;
      minute = key;
    }
    // A leap second is the first of the next minute.
    const wholeMicros = minuteStartMicros + Number(seconds) * 1_000_000;
    if (text.endsWith("Z")) {
      second = text.slice(0, secondLength);
      secondMicros = wholeMicros;
    }
    return wholeMicros + Number(fraction.padEnd(6, "0").slice(0, 6));
  };
}

/** The fraction behind a second in UTC, in microseconds; NaN when something else lies there. */
function fractionMicros(text: string): number {
  const end = text.length - 1;
  const digits = end - secondLength - 1;
  if (text.charCodeAt(end) !== 0x5a || text.charCodeAt(secondLength) !== 0x2e || digits < 1 || digits > 9) {
    return Number.NaN;
  }
  let micros = 0;
  let scale = 100_000;
  for (let at = secondLength + 1; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) {
      return Number.NaN;
    }
    micros += digit * scale;
    scale = (scale / 10) | 0;
  }
  return micros;
}
