/** Ids that the client makes. */
import { randomUUID } from "node:crypto";

const MINUTE_MS = 60_000;

/**
 * The minute and chance (72 bits of it), in 17 characters; the first is none that the command line would take for an option's. Short,
 * because an id stands in an event up to five times and in three indexes: as UUIDs they were half of it.
 *
 * New ones go to the few pages of an index where the last ones went, which are in memory. Within a minute they have no order: ids that
 * ascend strictly leave pages half full wherever other tenants' come after them, because a page is split in its middle. The minute is
 * in digits and small letters, whose order is the same under every collation.
 */
export function newId(): string {
  return Math.floor(Date.now() / MINUTE_MS).toString(36) + chance();
}

/** 72 bits as 12 characters; from a UUID, whose digits Node makes in advance (those taken are none of its version and variant). */
function chance(): string {
  const uuid = randomUUID();
  return Buffer.from(uuid.slice(0, 6) + uuid.slice(-12), "hex").toString("base64url");
}
