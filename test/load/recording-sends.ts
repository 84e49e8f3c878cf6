import type { Driver } from "../../src/core/stream.js";

/** Notes when each filter of each stream, in the order of opening, was handed to the driver; microseconds since the Unix epoch. */
export function recordingSends(driver: Driver, sends: number[][]): Driver {
  return {
    ...driver,
    async connect(target, options) {
      const connection = await driver.connect(target, options);
      return {
        close: () => connection.close(),
        async open(openOptions) {
          const times: number[] = [];
          sends.push(times);
          const stream = await connection.open(openOptions);
          return {
            ended: stream.ended,
            send(message) {
              times.push((performance.timeOrigin + performance.now()) * 1000);
              return stream.send(message);
            },
            end: () => stream.end(),
            cancel: () => stream.cancel(),
            pause: () => stream.pause(),
            resume: () => stream.resume(),
            ...(stream.lastInboundAtMicros === undefined ? {} : { lastInboundAtMicros: () => stream.lastInboundAtMicros?.() ?? 0 }),
          };
        },
      };
    },
  };
}
