/** Run by embedded.test.ts: starts the embedded server in the folder named, says its process id, and stays. */
import { startEmbedded } from "../../src/database/embedded.js";

const server = await startEmbedded(process.argv[2]);
console.log(server.pid);
setInterval(() => {}, 60_000);
