/**
 * Reads RFC 3339 times with 0 to 9 fraction digits as whole microseconds since the Unix epoch; NaN for anything else.
 * Keeps the last minute that it read, so that a stream of times costs a comparison each.
 */
export function createTimeReader(): (text: string) => number {
  let minute = "";
  let minuteStartMicros = 0;
  return (text) => {
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
    return minuteStartMicros + Number(seconds) * 1_000_000 + Number(fraction.padEnd(6, "0").slice(0, 6));
  };
}
