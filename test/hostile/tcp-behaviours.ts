import type { Transport } from "../../src/core/contract.js";
import { type Behaviour, randomBytes } from "./behaviour.js";
import { flood, Line, many } from "./line.js";

type Serve = (line: Line, random: () => number) => void;

const tlsAlert = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50]);
const cases: Readonly<Record<string, { readonly serve: Serve; readonly says?: RegExp }>> = {
  "hang-after-accept": { serve: (line) => void line.socket.resume() },
  "hang-and-never-read": { serve: (line) => void line.socket.pause() },
  "fin-after-the-first-bytes": { serve: (line) => void line.socket.once("data", () => line.fin()) },
  "rst-after-the-first-bytes": { serve: (line) => void line.socket.once("data", () => line.rst()) },
  "tls-alert-on-plain-port": { serve: (line) => void line.socket.once("data", () => line.write(tlsAlert)), says: /TLS/ },
  "echo-of-everything": { serve: (line) => void line.socket.on("data", (chunk: Buffer) => line.write(chunk)) },
  "one-zero-byte": { serve: (line) => line.write(Buffer.from([0])) },
  "zeros-without-end": { serve: (line) => flood(line, Buffer.alloc(16_384)) },
  "line-feeds-without-end": { serve: (line) => flood(line, Buffer.alloc(16_384, 0x0a)) },
  "random-bytes": { serve: (line, random) => line.write(randomBytes(random, 2000)) },
  "random-bytes-then-rst": {
    serve: (line, random) => {
      line.write(randomBytes(random, 200));
      setImmediate(() => line.rst());
    },
  },
  "terminal-escapes": { serve: (line) => line.write("\u001b]0;owned\u0007\u001b[2J\u001b[31m\r\n    at boom (x.js:1:2)\r\n\r\n") },
  "http-200-page": { serve: (line) => line.write("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), says: /HTTP/ },
  "mysql-greeting": { serve: (line) => line.write(Buffer.from("\u004a\u0000\u0000\u0000\u000a8.0.33\u0000", "latin1")) },
  "ssh-banner": { serve: (line) => line.write("SSH-2.0-OpenSSH_9.2\r\n"), says: /SSH-2/ },
  "banner-in-drops": {
    serve: (line) => {
      line.drip();
      line.write("220 mail.example ESMTP\r\n");
    },
    says: /2/,
  },
  "http-heads-without-end": { serve: (line) => flood(line, many(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"))) },
};

const transports = ["grpc", "ws"] as const satisfies readonly Transport[];

/** What needs no protocol; each on both transports. None of them is a server of any kind. */
export const tcpBehaviours: readonly Behaviour[] = transports.flatMap((transport) =>
  Object.entries(cases).map(([name, { serve, says }]): Behaviour => ({
    name: `tcp/${name}-${transport}`,
    transport,
    expect: "unreachable",
    serve: (socket, { random }) => {
      socket.resume();
      serve(new Line(socket), random);
    },
    ...(says === undefined ? {} : { says }),
  })),
);
