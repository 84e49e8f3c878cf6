// Receives a flood with k6 as its users would, and verifies sequence, filter and lag of each entry; prints how many.
import grpc from "k6/net/grpc";

const client = new grpc.Client();
client.load([__ENV.PROTO_FOLDER], "logger.proto");

export const options = { vus: 1, iterations: 1 };

// oxlint-disable-next-line import/no-default-export -- k6 calls it by that name
export default function () {
  client.connect(`127.0.0.1:${__ENV.PORT}`, { plaintext: true });
  const stream = new grpc.Stream(client, "logger.Logger/Monitor");
  const lags = Array.from({ length: 4096 }, () => 0);
  let last = 0;
  let faults = 0;
  let entries = 0;
  stream.on("data", (entry) => {
    const sequence = Number(entry.sequence);
    if ((last !== 0 && sequence !== last + 1) || entry.source !== "alpha") {
      faults++;
    }
    last = sequence;
    entries++;
    lags[Math.max(0, Math.min(4095, Date.now() - Date.parse(entry.time)))]++;
  });
  stream.on("error", () => {});
  stream.write({});
  setTimeout(
    () => {
      client.close();
      console.log(JSON.stringify({ entries, faults }));
    },
    Number(__ENV.SECONDS) * 1000,
  );
}
