import fc from "fast-check";
import t from "tap";

import { buildTemplate, digitsOf, framesPerChunk, stamp, unstamped } from "../../src/reference/fast-template.js";
import { levels } from "../../src/reference/log-entry.js";

const filters = fc.record(
  {
    minLevel: fc.constantFrom(...levels),
    sources: fc.subarray(["alpha", "beta", "gamma", "delta"], { minLength: 1 }),
    contains: fc.string({ maxLength: 250, unit: "grapheme" }).filter((text) => Buffer.byteLength(text) <= 256),
  },
  { requiredKeys: [] },
);

for (const transport of ["grpc", "websocket"] as const) {
  t.test(`${transport}: frames of a chunk are of one size whatever the filter, and each entry passes it`, async (t) => {
    fc.assert(
      fc.property(filters, (filter) => {
        const template = buildTemplate(transport, filter, framesPerChunk[transport] * 100);
        if (template === undefined) return filter.sources?.every((source) => source === "delta") ?? false;
        const whole = template.bytes.length === template.frameBytes * framesPerChunk[transport];
        return (
          whole &&
          template.bytes.includes(
            filter.contains === undefined ? "request" : transport === "grpc" ? filter.contains : JSON.stringify(filter.contains).slice(1, -1),
          )
        );
      }),
      { numRuns: 15 },
    );
    t.end();
  });

  t.test(`${transport}: a stamped copy is what would be built for that sequence`, async (t) => {
    const chunk = framesPerChunk[transport];
    const sequences = fc.integer({ min: transport === "grpc" ? 16 : 100, max: 9_000_000_000 }).map((n) => n * chunk);
    fc.assert(
      fc.property(fc.array(sequences, { minLength: 2, maxLength: 5 }), (all) => {
        const [first = chunk * 100, ...others] = all;
        const template = buildTemplate(transport, {}, first);
        if (template === undefined) return false;
        const bytes = Buffer.from(template.bytes);
        let held = unstamped(first);
        for (const sequence of others.filter((each) => digitsOf(transport, each) === template.sequenceDigits)) {
          const wanted = { sequence, time: held.time };
          stamp(bytes, template, held, wanted);
          held = wanted;
          if (!bytes.equals(buildTemplate(transport, {}, sequence)?.bytes ?? Buffer.alloc(0))) return false;
        }
        return true;
      }),
      { numRuns: 5 },
    );
    t.end();
  });
}

t.test("every entry of a chunk gets the time", async (t) => {
  const template = buildTemplate("websocket", { minLevel: "error" }, 100_000);
  if (template === undefined) throw new Error("no template");
  const time = "2026-07-30T12:34:56.123456Z";
  stamp(template.bytes, template, unstamped(100_000), { sequence: 100_000, time });
  t.equal(template.bytes.toString("latin1").split(time).length - 1, framesPerChunk.websocket);
});
