/** A file that adds up, but says what no books can say, is not proven: each rule by itself, with a footer made anew. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLedger } from "../../src/ledger/ledger.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books } from "../sql/books.js";
import { playHistory } from "../sql/history.js";
import { exported, rulesBroken, signed } from "./exporting.js";

// biome-ignore lint/suspicious/noExplicitAny: whoever forges a file writes what they like.
type Line = any;

let database: TestDatabase;
let tenant: string[];
let run: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  const books = await Books.open(await database.connect());
  await playHistory(books);
  const ledger = createLedger({ connectionString: database.url, tenantId: books.tenantId });
  tenant = await exported(ledger);
  run = await exported(ledger, { run: "run-a" });
  await ledger.close();
});

afterAll(async () => {
  await database?.drop();
});

/** The rules that a file breaks once it was changed; lines for which the change answers `null` are left out. */
function broken(lines: readonly string[], change: (line: Line) => unknown): string[] {
  const changed = lines.map((text) => JSON.parse(text)).filter((line: Line) => change(line) !== null);
  return rulesBroken(signed(changed.map((line: Line) => `${JSON.stringify(line)}\n`)));
}

const isEvent = (line: Line, pool: string, kind: string): boolean =>
  line.type === "event" && line.pool_id === pool && line.kind === kind;

const isPool = (line: Line, pool: string): boolean => line.type === "pool" && line.pool_id === pool;

const channelOf = (pool: Line, name: string): Line => pool.channels.find(({ channel }: Line) => channel === name);

/** A change of the one event of a pool and a kind. */
const event =
  (pool: string, kind: string, change: (line: Line) => void) =>
  (line: Line): void => {
    if (isEvent(line, pool, kind)) change(line);
  };

const pool =
  (id: string, change: (line: Line) => void) =>
  (line: Line): void => {
    if (isPool(line, id)) change(line);
  };

const node =
  (id: string, change: (line: Line) => void) =>
  (line: Line): void => {
    if (line.type === "node" && line.node_id === id) change(line);
  };

it("is proven where it says what it said", () => {
  expect(broken(tenant, () => undefined)).toEqual([]);
  expect(broken(run, () => undefined)).toEqual([]);
});

describe("sources and payers", () => {
  it("are pools of the file: a driver cannot be called a leaf, and its pool left out", () => {
    const withoutPool = (line: Line): unknown => {
      if (line.node_id === "below" && line.type === "node") line.driver = false;
      return line.pool_id === "below" || line.parent_node_id === "below" ? null : line;
    };
    expect(broken(tenant, withoutPool)).toEqual(["source-of-no-pool"]);
    expect(broken(run, withoutPool)).toEqual(["source-of-no-pool"]);
  });

  it("are not said of a pool's own spend", () => {
    const hide = event("run-c", "metered", (line) => {
      for (const name of ["iterations", "input_tokens", "output_tokens", "charged_tokens"]) delete line[name];
      line.source_pool_id = "run-a";
    });
    expect(broken(tenant, hide)).toEqual(["source-of-wrong-kind"]);
  });

  it.each<[string, (line: Line) => unknown, string[]]>([
    [
      "the end of a driver is its own",
      event("driver", "settled", (line) => {
        delete line.source_pool_id;
      }),
      ["source-missing"],
    ],
    [
      "an end comes from another child",
      event("driver", "settled", (line) => {
        line.source_pool_id = "run-b";
      }),
      ["source-differs-from-tree"],
    ],
    [
      "a child was opened by another pool",
      event("run-a", "opened", (line) => {
        line.source_pool_id = "tenant";
      }),
      ["source-differs-from-tree"],
    ],
  ])("are those of the tree: %s", (_what, change, rules) => {
    expect(broken(tenant, change)).toEqual(expect.arrayContaining(rules));
  });

  it("pay as the tree says", () => {
    const ghost = (line: Line): void => {
      if (line.type !== "pool" || line.pool_id !== "below") return;
      channelOf(line, "usd").payer_pool_id = "ghost";
    };
    expect(broken(tenant, ghost)).toContain("payer-differs-from-tree");
    expect(broken(run, ghost)).toContain("payer-differs-from-tree");
    const own = pool("run-c", (line) => {
      channelOf(line, "usd").payer_pool_id = "tenant";
    });
    expect(broken(tenant, own)).toEqual(["payer-differs-from-tree"]);
  });

  it("and parents are in the file, but for the one above an exported run", () => {
    const orphan = pool("tenant", (line) => {
      line.parent_pool_id = "heaven";
    });
    expect(broken(tenant, orphan)).toContain("pool-of-no-parent");
    const outside = (line: Line): void => {
      if (line.type === "header") line.outside = { parent_pool_id: "heaven" };
    };
    expect(broken(tenant, outside)).toEqual(["run-missing"]);
  });
});

describe("usage", () => {
  it("is charged: what is not said is nothing", () => {
    const hide = (line: Line): void => {
      if (isEvent(line, "run-c", "metered")) {
        delete line.charged_tokens;
        line.postings = line.postings?.filter(({ channel }: Line) => channel !== "tokens");
      }
      if (!isPool(line, "run-c")) return;
      const tokens = channelOf(line, "tokens");
      tokens.free = String(Number(tokens.free) + Number(tokens.committed));
      tokens.committed = "0";
    };
    expect(broken(tenant, hide)).toEqual(["charge-differs-from-tokens"]);
  });

  it.each<[string, (line: Line) => void]>([
    ["more read from a cache than was read", (line) => Object.assign(line, { cache_read_tokens: "999999" })],
    ["more written for an hour than was written", (line) => Object.assign(line, { cache_write_1h_tokens: "1" })],
    ["more thought than said", (line) => Object.assign(line, { reasoning_tokens: "999999" })],
    ["less than no time", (line) => Object.assign(line, { ms: "-1" })],
  ])("is possible: not %s", (_what, change) => {
    expect(broken(tenant, event("run-c", "metered", change))).toEqual(["usage-out-of-bounds"]);
  });

  it("is possible in every line of a call", () => {
    const change = event("below", "settled", (line) => {
      // Together they are still what they were.
      line.lines[0].reasoning_tokens = "50";
      line.lines[1].reasoning_tokens = "-50";
    });
    expect(broken(tenant, change)).toEqual(["usage-out-of-bounds"]);
  });

  it("is not known where it is uncertain, or not there", () => {
    const known = event("run-c", "metered", (line) => Object.assign(line, { usd_known: true }));
    expect(broken(tenant, known)).toEqual(["known-usage-uncertain"]);
    const ceiling = event("run-b", "expired", (line) => Object.assign(line, { tokens_known: true, usd_known: true }));
    expect(broken(tenant, ceiling)).toEqual(["known-usage-uncertain"]);
  });

  it("is of a kind that spends, and a call of its own pool", () => {
    const judged = event("run-a", "judged", (line) => Object.assign(line, { usd: "3" }));
    expect(broken(tenant, judged)).toEqual(["usage-of-no-spend"]);
    const other = event("run-c", "metered", (line) => Object.assign(line, { node_id: "run-a" }));
    expect(broken(tenant, other)).toEqual(["metered-of-other-node"]);
  });

  it("did not happen after it was written down", () => {
    const change = event("run-c", "metered", (line) => {
      line.effective_at = "2999-01-01T00:00:00.000000Z";
    });
    expect(broken(tenant, change)).toEqual(["effective-after-recorded"]);
  });
});

describe("totals", () => {
  /** Seven more tokens, by an event of a pool. */
  const minted = (id: string, kind: string) => (line: Line) => {
    if (isEvent(line, id, kind)) {
      line.postings ??= [];
      const tokens = line.postings.find(({ channel }: Line) => channel === "tokens");
      if (tokens) tokens.funded = String(Number(tokens.funded ?? 0) + 7);
      else line.postings.push({ channel: "tokens", funded: "7" });
    }
    if (!isPool(line, id)) return;
    const tokens = channelOf(line, "tokens");
    tokens.total = String(Number(tokens.total) + 7);
    tokens.free = String(Number(tokens.free) + 7);
  };

  it("grow by funds alone", () => {
    expect(broken(tenant, minted("run-c", "metered"))).toEqual(["funded-by-wrong-kind"]);
    expect(broken(tenant, minted("run-b", "frozen"))).toContain("funded-by-wrong-kind");
  });

  it("leave nothing free in a pool that was closed", () => {
    expect(broken(tenant, minted("driver", "closed"))).toContain("closed-pool-has-balance");
    const open = (line: Line): void => {
      if (isEvent(line, "run-c", "thawed")) line.kind = "opened";
    };
    expect(broken(tenant, open)).toEqual(["opened-out-of-turn"]);
  });
});

describe("runs", () => {
  it.each<[string, (line: Line) => unknown, string]>([
    ["a line of their own", (line) => (line.type === "run" && line.run_id === "run-c" ? null : line), "run-missing"],
    [
      "events that name them",
      event("run-c", "metered", (line) => Object.assign(line, { run_id: "x" })),
      "run-differs-from-pool",
    ],
    ["nodes that name them", node("open", (line) => Object.assign(line, { run_id: "x" })), "run-differs-from-pool"],
  ])("have %s", (_what, change, rule) => {
    expect(broken(tenant, change)).toEqual([rule]);
  });

  it("are whole trees", () => {
    const left = (line: Line): void => {
      if (line.pool_id === "below" || line.node_id === "below" || line.parent_node_id === "below") delete line.run_id;
      if (isEvent(line, "driver", "settled") || line.pool_id === "driver") line.run_id = "run-a";
    };
    expect(broken(tenant, left)).toContain("run-differs-from-parent");
  });

  it("are in the file that is one's export", () => {
    const other = (line: Line): void => {
      if (line.type === "header") line.run = "run-z";
    };
    expect(broken(run, other)).toContain("run-missing");
  });
});

describe("states", () => {
  it("are what the outcome says", () => {
    const pending = node("leaf", (line) => Object.assign(line, { status: "pending" }));
    expect(broken(tenant, pending)).toEqual(["status-differs-from-outcome"]);
  });

  it("are what the events say", () => {
    const closed = event("driver", "closed", (line) => Object.assign(line, { kind: "thawed" }));
    expect(broken(tenant, closed)).toContain("pool-state-differs-from-events");
  });
});
