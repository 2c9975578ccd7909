/** Which calls were seen already. An endless trace must not fill the memory: the last 100,000 ids are remembered. */
import { bookableText } from "./bookable.js";

const MOST_IDS = 100_000;

/** The ids of one trace. */
export class Sightings {
  readonly #ids = new Set<string>();

  /** Whether it is the first sighting of that call. One without an id always is; one whose id is forgotten is so again. */
  first(id: string | undefined): boolean {
    if (id === undefined) return true;
    const key = bookableText(id);
    if (this.#ids.has(key)) return false;
    this.#ids.add(key);
    if (this.#ids.size > MOST_IDS) this.#ids.delete(this.#ids.values().next().value ?? key);
    return true;
  }
}
