/** Takes the times of a case: baseline and measured turn by turn, so that what else the machine does hits both. */
import { Bench } from "tinybench";
import { type Spread, spreadOf } from "../spread.js";
import type { Case, Readers } from "./case.js";

/** What came out of a case; times are milliseconds. */
export interface Figure {
  readonly name: string;
  readonly statistics: "never analysed" | "analysed";
  readonly baseline: Spread & { readonly what: string };
  readonly measured: Spread & { readonly what: string };
  /** Median of measured by median of baseline; least and most are those of single rounds. */
  readonly ratio: Spread;
  readonly target: number;
  readonly rounds: number;
  readonly withinTarget: boolean;
}

/** Runs a case, after one round that does not count. */
export async function measure(one: Case, readers: Readers, statistics: Figure["statistics"]): Promise<Figure> {
  await one.baseline.run(readers);
  await one.measured.run(readers);
  const rounds: { baseline: number; measured: number }[] = [];
  for (let n = 0; n < one.rounds; n += 1) {
    const bench = new Bench({ iterations: 1, time: 0, warmup: false, throws: true });
    bench.add("baseline", async () => void (await one.baseline.run(readers)));
    bench.add("measured", async () => void (await one.measured.run(readers)));
    await bench.run();
    const [baseline = 0, measured = 0] = bench.tasks.map(({ result }) =>
      "latency" in result ? result.latency.mean : 0,
    );
    rounds.push({ baseline: baseline / (one.baseline.per ?? 1), measured: measured / (one.measured.per ?? 1) });
  }
  const baseline = spreadOf(rounds.map((round) => round.baseline));
  const measured = spreadOf(rounds.map((round) => round.measured));
  const ratio = {
    ...spreadOf(rounds.map((round) => round.measured / round.baseline)),
    median: measured.median / baseline.median,
  };
  return {
    name: one.name,
    statistics,
    baseline: { what: one.baseline.what, ...baseline },
    measured: { what: one.measured.what, ...measured },
    ratio,
    target: one.target,
    rounds: one.rounds,
    withinTarget: ratio.median <= one.target,
  };
}
