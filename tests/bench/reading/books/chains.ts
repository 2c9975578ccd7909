/** Chains: every driver has one driver below it and one turn of its own. */
import { driver, run, turn, type Writer } from "../writer.js";

/** The run that is a chain of that depth. */
export const chainOf = (depth: number): string => `chain-${depth}-0`;

/** Writes a chain of each depth; one after the other, because each link hangs on the one before. */
export async function writeChains(writers: readonly Writer[], depths: readonly number[]): Promise<void> {
  const [writer] = writers;
  if (!writer) throw new Error("no writer");
  for (const depth of depths) {
    const idOf = (n: number): string => `chain-${depth}-${n}`;
    await writer.put(run(idOf(0)), turn(idOf(0), 0));
    for (let n = 1; n < depth; n += 1) await writer.put(driver(idOf(n - 1), idOf(n)), turn(idOf(n), n));
    await writer.flush();
  }
}
