/** Characters of `2026-01-01T00:00:00`. */
const secondLength = 19;
const dateTime = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;
const daysOfMonths: readonly number[] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Reads dates with times by RFC 3339 as whole microseconds since the Unix epoch; what a fraction has beyond them is cut off, and a leap second is
 * the first of the next minute. NaN for anything else.
 * Keeps the last text and the last second in UTC: entries come in time order, so that most cost a comparison and a fraction.
 */
export function createTimeReader(): (text: string) => number {
  let last = "";
  let lastMicros = Number.NaN;
  let second = "";
  let secondMicros = 0;
  return (text) => {
    if (text === last) {
      return lastMicros;
    }
    const fraction = second !== "" && text.startsWith(second) ? fractionMicros(text) : Number.NaN;
    last = text;
    if (fraction === fraction) {
      lastMicros = secondMicros + fraction;
      return lastMicros;
    }
    const wholeMicros = readSecond(text);
    if (wholeMicros === wholeMicros && /z$/i.test(text)) {
      second = text.slice(0, secondLength);
      secondMicros = wholeMicros;
    }
    lastMicros = wholeMicros + Number(/\.(\d{1,6})/.exec(text)?.[1]?.padEnd(6, "0") ?? 0);
    return lastMicros;
  };
}

/** The microseconds of a time's whole second; NaN when it is no time. */
function readSecond(text: string): number {
  const match = dateTime.exec(text);
  if (match === null) {
    return Number.NaN;
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 && leap ? 29 : (daysOfMonths[month - 1] ?? 0);
  // 60 is a leap second.
  if (day < 1 || day > days || hour > 23 || minute > 59 || second > 60) {
    return Number.NaN;
  }
  const startOfMinute = `${text.slice(0, 10)}T${text.slice(11, 16)}:00${match[8] ?? ""}`.toUpperCase();
  return Date.parse(startOfMinute) * 1000 + second * 1_000_000;
}

/** The fraction, if any, behind a second in UTC, in microseconds; NaN when something else lies there. */
function fractionMicros(text: string): number {
  const end = text.length - 1;
  const zone = text.charCodeAt(end);
  if ((zone !== 0x5a && zone !== 0x7a) || end === secondLength + 1 || (end > secondLength && text.charCodeAt(secondLength) !== 0x2e)) {
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
