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
          const send = (message: Parameters<typeof stream.send>[0]): Promise<void> => {
            times.push((performance.timeOrigin + performance.now()) * 1000);
            return stream.send(message);
          };
          return Object.create(stream, { send: { value: send } }) as typeof stream;
        },
      };
    },
  };
}
