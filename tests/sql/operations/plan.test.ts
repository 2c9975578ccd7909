/** plan: an experiment's plan in the journal, once; and what its gate then says. */
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { meter, openPool } from "../builders.js";
import { judge, runOf } from "../experiments.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const PLAN = "select plan from ledger.equal_k($1, 'E') where channel = 'all'";

describe.each(WAYS)("plan %s", (way) => {
  it("enters the digest in the journal and moves nothing", async () => {
    const books = await ledger.open(way);
    const { id } = await books.row("select ledger.put_blob($1, 'plan') as id");
    await books.ok(openPool("p", { usd: "5" }));
    const plan = { op: "plan", operation_id: "register", pool_id: "p", experiment: "E", plan_ref: id };
    expect(await books.ok(plan)).toMatchObject({ pool_id: "p", seq: 2 });
    expect((await books.journal("p"))[1]).toMatchObject({
      ...{ kind: "planned", node_id: "p", detail: { experiment: "E", plan_ref: id }, iterations: null, usd: null },
    });
    expect(await books.balance("p", "usd")).toEqual(["5", "0", "0"]);
    expect(await books.do(plan)).toMatchObject({ status: "replayed", code: null });
  });

  it("refuses by path what it cannot register", async () => {
    const books = await ledger.open(way);
    const { id } = await books.row("select ledger.put_blob($1, 'plan') as id");
    const plan = { op: "plan", pool_id: "p", experiment: "E", plan_ref: id };
    expect(await books.failed("LG002", plan)).toBe("pool_id");
    await books.ok(openPool("p"), openPool("q"));
    expect(await books.failed("LG001", { ...plan, plan_ref: `sha256:${"0".repeat(64)}` })).toBe("plan_ref");
    expect(await books.failed("LG001", { ...plan, experiment: "" })).toBe("experiment");
    expect(await books.failed("LG001", { op: "plan", pool_id: "p", experiment: "E" })).toBe("plan_ref");
    await books.ok(plan);
    expect(await books.failed("LG011", { ...plan, pool_id: "q" })).toBe("experiment");
    await books.ok({ ...plan, experiment: "F" }, { op: "close_pool", pool_id: "p" }, { ...plan, experiment: "G" });
    expect(await books.kinds("p")).toEqual(["opened", "planned", "planned", "closed", "planned"]);
  });
});

it("came before the spend that happens after it, whatever was left out", async () => {
  const books = await ledger.open();
  const { id } = await books.row("select ledger.put_blob($1, 'plan') as id");
  await books.ok(openPool("p"), runOf("a1", { arm: "a" }));
  expect(await books.row(PLAN)).toEqual({ plan: null });
  await books.ok({ op: "plan", operation_id: "register", pool_id: "p", experiment: "E", plan_ref: id });
  const { plan } = await books.row(PLAN);
  expect(plan).toMatchObject({ plan_ref: id, operation_id: "register", spend_first: false, first_spend_at: null });
  await books.ok(meter("a1", { input_tokens: 1 }));
  expect((await books.row(PLAN)).plan).toMatchObject({ spend_first: false });
  // What a run that does not count spent before it is spend all the same.
  await books.ok(
    runOf("a2", { arm: "a", task: "t" }),
    meter("a2", { input_tokens: 1 }, { effective_at: "2026-01-01T00:00:00Z" }),
    judge("a2", false, { infra: true }),
  );
  const after = (await books.row(PLAN)).plan as { first_spend_at: string };
  expect(after).toMatchObject({ spend_first: true });
  expect(new Date(after.first_spend_at)).toEqual(new Date("2026-01-01T00:00:00Z"));
});
