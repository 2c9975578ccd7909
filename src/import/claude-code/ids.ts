import { createHash } from "node:crypto";

/**
 * Operation ids of an import. They follow from what the files say, so that importing twice asks the same again; a call's holds no
 * session, so that the ledger refuses to count it in a second one.
 */

const PREFIX = "claude-code:";

/** The runtime of every child that an import spawns. */
export const RUNTIME = "claude-code";

/** Words of these ids that no part of a key may be taken for. */
const RESERVED = /^(?:agent|session|line)$/;

/** The longest id that stays as it is. */
const LONGEST = 72;

/** An id as part of a key: ids of real data stay as they are, and what holds `:` or a word of ours cannot meet another key. */
export function part(id: string): string {
  const escaped = RESERVED.test(id) ? `%${id}` : id.replace(/[%:]/g, encodeURIComponent);
  return escaped.length <= LONGEST ? escaped : `%${digest(id)}`;
}

/** A call's key, short: what a settled child keeps of each of its calls. */
export const markOf = (key: string): string => digest(key).slice(0, 12);

const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

/** Books a call by itself. `key` is `<message id>:<request id>`. */
export const meterId = (key: string): string => `${PREFIX}${key}`;

/** Spawns the child whose first call this is. */
export const spawnId = (key: string): string => `${PREFIX}agent:${key}`;

/** Dispatches a child, given the id that spawned it. */
export const dispatchId = (spawned: string): string => `${spawned}:dispatched`;

/** Settles a child, given the id that spawned it. */
export const settleId = (spawned: string): string => `${spawned}:settled`;

/** Opens the run of a session. */
export const openId = (session: string): string => `${PREFIX}session:${session}:opened`;

/** Stands for a driver whose file is missing. */
export const unknownDriverId = (session: string): string => `${PREFIX}session:${session}:unknown-driver`;

/** What the ids of this import's corrections of an operation begin with. */
export const correctionPrefix = (of: string): string => `${of}:corrected:`;

/** The nth correction (from 1) of an operation: two imports that see the same books ask for the same one. */
export const correctionId = (of: string, n: number): string => `${correctionPrefix(of)}${n}`;

/** The node of a session's child. */
export const nodeId = (session: string, child: string): string => `${session}:${child}`;
