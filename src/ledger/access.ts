/** How the parts of a ledger reach the database. */
import type { Caller } from "./caller.js";
import type { Connections } from "./connection.js";
import type { Writer } from "./writer.js";

/** Calls that are repeated, operations, and connections; `track` keeps `close` waiting for work under way. */
export interface Access {
  readonly caller: Caller;
  readonly connections: Connections;
  readonly writer: Writer;
  track<T>(work: Promise<T>): Promise<T>;
}
