/** Ids that the client makes. */
import { v7 } from "uuid";

/** A UUID of version 7: they ascend with time, so that the pages of an index that new ones go to are the ones in memory. */
export function newId(): string {
  return v7();
}
