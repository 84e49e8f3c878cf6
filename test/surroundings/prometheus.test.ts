import fc from "fast-check";
import t from "tap";
import { parsePrometheus, sumSamples } from "../../src/surroundings/prometheus.js";

const page = [
  "# HELP streams Streams that are open",
  "# TYPE streams gauge",
  'streams{kind="ws",note="a \\"b\\" } 9, c=\\\\"} 2',
  'streams { kind = "grpc" , } 5 1700000000000',
  "streams_total 99",
  "big +Inf",
  "odd NaN",
  "no value",
].join("\n");

t.test("samples are read with their labels", async (t) => {
  const samples = parsePrometheus(page.replaceAll("streams {", "streams{"));
  t.same(samples, [
    { name: "streams", labels: { kind: "ws", note: 'a "b" } 9, c=\\' }, value: 2 },
    { name: "streams", labels: { kind: "grpc" }, value: 5 },
    { name: "streams_total", labels: {}, value: 99 },
    { name: "big", labels: {}, value: Infinity },
  ]);
  t.equal(sumSamples(samples, "streams"), 7);
  t.equal(sumSamples(samples, 'streams{kind="grpc"}'), 5);
  t.equal(sumSamples(samples, "absent"), undefined);
});

t.test("whatever the page, it is read or left out, in time that its length allows", async (t) => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => parsePrometheus(text).every((sample) => sample.name !== "")));
  t.same(parsePrometheus(`a{${"a".repeat(1_000_000)}} 1`), [{ name: "a", labels: {}, value: 1 }]);
  t.same(parsePrometheus(`a{${'"'.repeat(1_000_000)}`), []);
});
