/** Refusals come in one order, the one people read: each world below is refused for one reason more. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Books, Operation } from "../sql/books.js";
import { meter, openPool, settle, settleDriver, spawn } from "../sql/builders.js";
import { useLedger } from "../sql/ledger.js";
import { read } from "./sources.js";

const ledger = useLedger();

/** The sentence of sql/README.md that lists them. */
const [, sentence = ""] = /checked after them in this order: ([^.]*)\./.exec(read("sql/README.md")) ?? [];
const ORDER = [...sentence.replace(/;[^;]*$/, "").matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);

const DEADLINE_MS = 600;

/** A pool `p` below one that pays its dollars. */
async function openWorld(): Promise<Books> {
  const books = await ledger.open();
  await books.ok(
    openPool("payer", { tokens: 100, usd: "1" }),
    openPool("p", { tokens: 10 }, { parent_pool_id: "payer", max_depth: 0, deadline_ms: DEADLINE_MS }),
    spawn("p", "ended", { tokens: 1 }, { key: "ended" }),
    settle("ended"),
  );
  return books;
}

const ask = (more: Operation = {}): Operation => ({
  op: "spawn",
  pool_id: "p",
  label: "x",
  budget: { tokens: 99 },
  ...more,
});
const dear = { budget: { tokens: 99, usd: "5" } };
const deep = { ...dear, driver: true };

/** What becomes of the world, what is asked of it then, and everything that speaks against it. */
const STEPS: readonly { against: string; change?: Operation | "wait"; asked: Operation }[] = [
  { against: "budget-exhausted", asked: ask() },
  { against: "usd-unbudgeted", asked: ask(dear) },
  { against: "usd-sealed", change: meter("p", { usd_known: false }), asked: ask(dear) },
  { against: "depth-exceeded", asked: ask(deep) },
  { against: "deadline-passed", change: "wait", asked: ask(deep) },
  { against: "pool-frozen", change: { op: "freeze", pool_id: "payer" }, asked: ask(deep) },
  { against: "pool-closed", change: settleDriver("p"), asked: ask(deep) },
  { against: "key-conflict", asked: ask({ ...deep, key: "ended" }) },
];

describe("refusals", () => {
  it("are listed in sql/README.md", () => {
    expect(ORDER).toHaveLength(9);
    expect([...STEPS.map(({ against }) => against), "duplicate-key"].sort()).toEqual([...ORDER].sort());
  });

  it("come in that order, as one reason after the other is added", async () => {
    const books = await openWorld();
    const against = new Set<string>();
    for (const step of STEPS) {
      if (step.change === "wait") await sleep(DEADLINE_MS);
      else if (step.change) await books.ok(step.change);
      against.add(step.against);
      const first = ORDER.find((reason) => against.has(reason ?? ""));
      expect(first, "each step adds the reason that comes first").toBe(step.against);
      await books.refused(step.against, step.asked);
      expect((await books.apply([meter("payer"), step.asked]))[1]).toMatchObject({ status: "refused", code: first });
    }
  });

  it("begin with the key, also of a child at work", async () => {
    const books = await openWorld();
    await books.ok(spawn("p", "busy", { tokens: 1 }, { key: "busy", label: "x" }), meter("p", { usd_known: false }));
    await sleep(DEADLINE_MS);
    await books.ok({ op: "freeze", pool_id: "p" });
    await books.refused("duplicate-key", ask({ key: "busy", budget: { tokens: 1 } }));
    await books.refused("key-conflict", ask({ key: "busy" }));
    await books.refused("pool-frozen", ask({ key: "new" }));
  });

  it("come after every error", async () => {
    const books = await openWorld();
    await books.ok({ op: "freeze", pool_id: "p" });
    expect(await books.failed("LG001", ask({ budget: {} }))).toBe("budget.tokens");
    expect(await books.failed("LG011", ask({ node_id: "ended", key: "ended" }))).toBe("node_id");
    expect(await books.failed("LG002", ask({ pool_id: "ended", key: "ended" }))).toBe("pool_id");
  });

  it("of a call announced is pool-closed", async () => {
    const books = await ledger.open();
    const call = { op: "dispatch", pool_id: "p", meter_id: "m" };
    await books.ok(openPool("p"), { op: "freeze", pool_id: "p" }, call, settleDriver("p"));
    await books.refused("pool-closed", call);
  });

  it("of fund are pool-closed, then not-free", async () => {
    const books = await ledger.open();
    const take = { op: "fund", pool_id: "p", amounts: { tokens: -99 } };
    await books.ok(openPool("p", { tokens: 1 }));
    await books.refused("not-free", take);
    await books.ok({ op: "freeze", pool_id: "p" });
    await books.refused("not-free", take);
    await books.ok(settleDriver("p"));
    await books.refused("pool-closed", take);
  });
});
