import { loadContract } from "../contract/load-contract.js";
import { drivers } from "../drivers/index.js";
import { serveLoadWorker } from "../load/load-worker.js";

// The script of a load worker's thread; `isMainThread` modules never import it.
await serveLoadWorker({ drivers, loadContract });
