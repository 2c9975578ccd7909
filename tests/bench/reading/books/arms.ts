/** An experiment of two arms that spend the same: every task is run by each, with four turns and three leaves, closed and judged. */
import { done, leaf, run, turn, type Writer } from "../writer.js";

/** The experiment's name. */
export const EXPERIMENT = "experiment";

/** Writes so many runs, an even number. */
export async function writeArms(writers: readonly Writer[], runs: number): Promise<void> {
  const write = async (writer: Writer, own: number): Promise<void> => {
    for (let n = own; n < runs; n += writers.length) {
      const id = `run-${n}`;
      const task = Math.floor(n / 2);
      await writer.put(run(id, { experiment: EXPERIMENT, arm: n % 2 ? "b" : "a", task: `task-${task}` }));
      for (let l = 0; l < 3; l += 1) await writer.put(leaf(id, `${id}:${l}`));
      for (let t = 0; t < 4; t += 1) await writer.put(turn(id, task + t));
      for (let l = 0; l < 3; l += 1) await writer.put(done(`${id}:${l}`, task + l));
      await writer.put({ op: "close_pool", pool_id: id }, { op: "judge", run_id: id, resolved: n % 3 === 0 });
    }
    await writer.flush();
  };
  await Promise.all(writers.map(write));
}
