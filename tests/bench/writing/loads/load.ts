/** What generates load, in this process or another: it is started once, and then has its turns. */

/** What callers were told so far, by kind of thing: operations, tokens, dollars in millionths, the sum of the journal rows' `seq`. */
export type Told = Readonly<Record<string, number>>;

/** One turn. */
export interface Turn {
  /** What counts for the rate: operations, or pairs of them. */
  readonly done: number;
  readonly ms: number;
  readonly transactions: number;
  readonly retries: number;
  /** Milliseconds that a call took. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly longest: number };
  /** Of the process, at its highest. */
  readonly rssMb: number;
  readonly heapMb: number;
  readonly told: Told;
  /** The first calls that failed. */
  readonly failures: readonly string[];
}

/** A load that runs. */
export interface Load {
  /** One turn of so many milliseconds; what a turn does may have phases. */
  turn(ms: number, phase?: string): Promise<Turn>;
  /** Everything that its callers were told, in all turns. */
  readonly told: Told;
  /** Every call that failed, in a few words. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
}

/** Both of them. */
export function plus(some: Told, others: Told): Told {
  const keys = [...new Set([...Object.keys(some), ...Object.keys(others)])];
  return Object.fromEntries(keys.map((key) => [key, (some[key] ?? 0) + (others[key] ?? 0)]));
}

/** Keeps account of what was told in every turn. */
export function accounted(
  turn: (ms: number, phase: string | undefined) => Promise<Turn>,
  stop: () => Promise<void>,
): Load {
  let told: Told = {};
  const failures: string[] = [];
  return {
    async turn(ms, phase) {
      const one = await turn(ms, phase);
      told = plus(told, one.told);
      failures.push(...one.failures);
      return one;
    },
    get told() {
      return told;
    },
    failures,
    stop,
  };
}

/** Several at once, as one. */
export function together(loads: readonly Load[]): Load {
  const stop = async (): Promise<void> => void (await Promise.all(loads.map((load) => load.stop())));
  return accounted(async (ms, phase) => merged(await Promise.all(loads.map((load) => load.turn(ms, phase)))), stop);
}

function merged(turns: readonly Turn[]): Turn {
  const sum = (of: (turn: Turn) => number): number => turns.reduce((total, turn) => total + of(turn), 0);
  const most = (of: (turn: Turn) => number): number => Math.max(...turns.map(of));
  return {
    done: sum(({ done }) => done),
    ms: most(({ ms }) => ms),
    transactions: sum(({ transactions }) => transactions),
    retries: sum(({ retries }) => retries),
    latency: {
      p50: most(({ latency }) => latency.p50),
      p99: most(({ latency }) => latency.p99),
      longest: most(({ latency }) => latency.longest),
    },
    rssMb: sum(({ rssMb }) => rssMb),
    heapMb: sum(({ heapMb }) => heapMb),
    told: turns.map(({ told }) => told).reduce(plus, {}),
    failures: turns.flatMap(({ failures }) => failures),
  };
}
