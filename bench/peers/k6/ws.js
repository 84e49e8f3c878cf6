// Receives a flood with k6 as its users would, and verifies sequence, filter and lag of each entry; prints how many.
import { WebSocket } from "k6/websockets";

export const options = { vus: 1, iterations: 1 };

// oxlint-disable-next-line import/no-default-export -- k6 calls it by that name
export default function () {
  const socket = new WebSocket(`ws://127.0.0.1:${__ENV.PORT}/logs/monitor`);
  const lags = Array.from({ length: 4096 }, () => 0);
  let last = 0;
  let faults = 0;
  let entries = 0;
  socket.addEventListener("open", () => {
    socket.send("{}");
    setTimeout(
      () => {
        socket.close();
        console.log(JSON.stringify({ entries, faults }));
      },
      Number(__ENV.SECONDS) * 1000,
    );
  });
  socket.addEventListener("message", ({ data }) => {
    const entry = JSON.parse(data);
    if ((last !== 0 && entry.sequence !== last + 1) || entry.source !== "alpha") {
      faults++;
    }
    last = entry.sequence;
    entries++;
    lags[Math.max(0, Math.min(4095, Date.now() - Date.parse(entry.time)))]++;
  });
  socket.addEventListener("error", () => {});
}
