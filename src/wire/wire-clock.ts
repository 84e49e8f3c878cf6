/** Monotonic time in whole microseconds since the process began; every time of a wire event is on this scale. */
export function nowMicros(): number {
  return Math.round(performance.now() * 1000);
}
