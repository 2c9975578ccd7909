/** Many small runs, all alike: a driver, two leaves and four turns each. */
import { done, driver, leaf, run, turn, type Writer } from "../writer.js";

/** The id of a run. */
export const runOf = (n: number): string => `run-${n}`;

/** Writes the runs `from` to `until`, without the last. */
export async function writeMany(writers: readonly Writer[], from: number, until: number): Promise<void> {
  const write = async (writer: Writer, own: number): Promise<void> => {
    for (let n = from + own; n < until; n += writers.length) {
      const id = runOf(n);
      await writer.put(run(id), driver(id, `${id}:d`), leaf(id, `${id}:a`), leaf(`${id}:d`, `${id}:b`));
      for (let t = 0; t < 4; t += 1) await writer.put(turn(t % 2 ? id : `${id}:d`, n + t));
      await writer.put(done(`${id}:a`, n), done(`${id}:b`, n + 1));
    }
    await writer.flush();
  };
  await Promise.all(writers.map(write));
}
