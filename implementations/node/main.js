// A monitor server in idiomatic Node: @grpc/grpc-js on one port, node:http with
// ws on the other, one journal behind both.

import { createServer } from "node:http";
import { once } from "node:events";
import { besideListener, readOptions, writeBackground } from "./beside.js";
import { bugList, plant } from "./bugs.js";
import { bind, createGrpcServer } from "./grpc.js";
import { Journal } from "./journal.js";
import { END } from "./stream.js";
import { serveWebSockets } from "./websocket.js";

// What is still open this long after SIGTERM is cut.
const STOP_WITHIN_MS = 3000;

// A client that has not finished its request's head by then is dropped.
const HANDSHAKE_WITHIN_MS = 5000;

const options = readOptions();
if (options.bug === "list") process.stdout.write(bugList());
else await serve();

async function serve() {
  const context = { journal: new Journal(), streams: new Set(), bugs: plant(options.bug) };
  const grpcServer = createGrpcServer(context);
  const httpServer = createServer(
    { headersTimeout: HANDSHAKE_WITHIN_MS, connectionsCheckingInterval: 1000 },
    besideListener(context.journal, context.bugs),
  );
  const webSocketServer = serveWebSockets(context, httpServer);

  const grpcPort = await bind(grpcServer, options.host, options.grpcPort);
  httpServer.listen(options.httpPort, options.host);
  await once(httpServer, "listening");
  const stopBackground = options.rate > 0 ? writeBackground(context.journal, options.rate) : () => {};
  console.log(`ready grpc=${grpcPort} http=${httpServer.address().port}`);

  const stop = () => {
    setTimeout(() => process.exit(0), STOP_WITHIN_MS).unref();
    stopBackground();
    grpcServer.tryShutdown(() => {});
    httpServer.close();
    httpServer.closeIdleConnections();
    webSocketServer.close();
    for (const finish of [...context.streams]) finish(END.stopping, "the server is stopping");
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
}
