/** Turn by turn: whatever else the machine does hits every side alike. */
import type { Load, Turn } from "./loads/load.js";

/** A side of a comparison. */
export interface Turning {
  readonly what: string;
  readonly load: Load;
  readonly phase?: string;
  /** What happens beside it in its turns. */
  readonly beside?: Load;
}

/** What a side did. */
export interface Turned {
  readonly what: string;
  readonly turns: readonly Turn[];
}

/** Gives every side its turn, so many rounds, after a short one that does not count. */
export async function takeTurns<K extends string>(
  sides: Readonly<Record<K, Turning>>,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Record<K, Turned>> {
  const entries = Object.entries<Turning>(sides) as [K, Turning][];
  const taken = {} as Record<K, Turned & { readonly turns: Turn[] }>;
  for (const [key, { what }] of entries) taken[key] = { what, turns: [] };
  for (let round = 0; round <= rounds; round += 1) {
    // Caches, plans and connections are made in a round of their own; everything it books counts in the books.
    const ms = (round === 0 ? Math.min(1, seconds) : seconds) * 1000;
    for (const [key, { load, phase, beside }] of entries) {
      const [turn] = await Promise.all([load.turn(ms, phase), beside?.turn(ms)]);
      if (round > 0) taken[key].turns.push(turn);
    }
  }
  return taken;
}
