/**
 * One big run: drivers below one another, ten to each, every one with nine leaves. What is left of the events after opening,
 * spawning and settling are turns of the drivers, evenly.
 */
import type { Sizes } from "../case.js";
import { done, driver, leaf, run, turn, type Writer } from "../writer.js";

const LEAVES = 9;
const BELOW = 10;

/** The run's id. */
export const ROOT = "root";

/** Writes it, by all writers at once: they have different pools. Answers how many nodes and events there must be. */
export async function writeTree(writers: readonly Writer[], { nodes, events }: Sizes): Promise<void> {
  const [first] = writers;
  if (!first) throw new Error("no writer");
  const drivers = Math.floor(nodes / (LEAVES + 1));
  const leavesOf = (d: number): number => (d === 0 ? nodes - drivers * (LEAVES + 1) : 0) + LEAVES;
  // Opening a pool is one event; a leaf is two, a driver below another two as well.
  const turns = events - (2 * drivers - 1) - 2 * (nodes - drivers);
  const idOf = (d: number): string => (d === 0 ? ROOT : `d${d}`);
  await first.put(run(ROOT));
  for (let d = 1; d < drivers; d += 1) await first.put(driver(idOf(Math.floor((d - 1) / BELOW)), idOf(d)));
  await first.flush();
  const write = async (writer: Writer, own: number): Promise<void> => {
    const each = async (put: (d: number) => Promise<void>): Promise<void> => {
      for (let d = own; d < drivers; d += writers.length) await put(d);
      await writer.flush();
    };
    // Spawns and ends apart, as the client sends them: together they meet those of the other writer.
    await each(async (d) => {
      for (let l = 0; l < leavesOf(d); l += 1) await writer.put(leaf(idOf(d), `${idOf(d)}:${l}`));
    });
    await each(async (d) => {
      const until = Math.floor((turns * (d + 1)) / drivers);
      for (let t = Math.floor((turns * d) / drivers); t < until; t += 1) await writer.put(turn(idOf(d), t));
    });
    await each(async (d) => {
      for (let l = 0; l < leavesOf(d); l += 1) await writer.put(done(`${idOf(d)}:${l}`, d + l));
    });
  };
  await Promise.all(writers.map(write));
}
