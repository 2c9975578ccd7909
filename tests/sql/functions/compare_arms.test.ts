/** Outcomes of two arms: counted by hand, paired, and refused unless the gate is equal. */
import { expect, it } from "vitest";
import type { Operation } from "../books.js";
import { meter, settleDriver } from "../builders.js";
import { judge, runOf, spentRun } from "../experiments.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const TEXT = "select * from ledger.compare_arms($1, 'E', $2, $3)";

/** A run of 10 tokens; `outcome` true or false is judged so, "down" ended so after it was judged resolved, null never judged. */
function run(arm: string, task: string, outcome: boolean | "down" | null): Operation[] {
  const id = `${arm}-${task}`;
  const judged = outcome === null ? [] : [judge(id, outcome === "down" || outcome)];
  const ended = outcome === "down" ? [settleDriver(id, { outcome: "down" })] : [];
  return [...spentRun(id, { arm, task }, { input_tokens: 10 }), ...judged, ...ended];
}

it("counts errored, unjudged and resolved runs apart, and pairs what was judged on both sides", async () => {
  const books = await ledger.open();
  const a = [true, true, true, true, true, true, false, "down", null, true] as const;
  const b = [true, false, false, false, false, false, false, true, true, null] as const;
  for (const [index, outcome] of a.entries()) await books.ok(...run("a", `t${index}`, outcome));
  for (const [index, outcome] of b.entries()) await books.ok(...run("b", `t${index}`, outcome));
  expect(await books.row(TEXT, "a", "b")).toEqual({
    ...{ experiment: "E", arm_a: "a", arm_b: "b", verdict: "equal", reason: null },
    ...{ runs_a: "10", runs_b: "10", errored_a: "1", errored_b: "0", unjudged_a: "1", unjudged_b: "1" },
    ...{ resolved_a: "7", resolved_b: "3", rate_a: "0.875", rate_b: "0.333333333333" },
    ...{ pairs: "7", both_resolved: "1", only_a: "5", only_b: "0", neither: "1", p_value: "0.0625" },
  });
  expect(await books.row(TEXT, "b", "a")).toMatchObject({ only_a: "0", only_b: "5", p_value: "0.0625" });
});

it("takes the run opened last of a task that ran more than once", async () => {
  const books = await ledger.open();
  await books.ok(...run("b", "t", false));
  await books.ok(
    ...[runOf("a-z", { arm: "a", task: "t" }), meter("a-z", { input_tokens: 5 }), judge("a-z", false)],
    ...[runOf("a-b", { arm: "a", task: "t" }), meter("a-b", { input_tokens: 5 }), judge("a-b", true)],
  );
  expect(await books.row(TEXT, "a", "b")).toMatchObject({ runs_a: "1", resolved_a: "1", only_a: "1", p_value: "1" });
  // Opened at the same instant: by id.
  const batch = ["a-x", "a-y"].flatMap((id) => [runOf(id, { arm: "a", task: "t" }), judge(id, id === "a-x")]);
  await books.apply(batch);
  expect(await books.row(TEXT, "a", "b")).toMatchObject({ runs_a: "1", resolved_a: "0", neither: "1" });
});

it("pairs runs without task and replicate, and leaves out infra", async () => {
  const books = await ledger.open();
  await books.ok(
    ...spentRun("a0", { arm: "a" }, { input_tokens: 10 }),
    ...spentRun("b0", { arm: "b" }, { input_tokens: 10 }),
    ...[judge("a0", true), judge("b0", true)],
    ...run("a", "t", true),
    ...run("b", "t", false),
    judge("b-t", false, { infra: true }),
  );
  expect(await books.row(TEXT, "a", "b")).toMatchObject({ runs_a: "1", runs_b: "1", both_resolved: "1", pairs: "1" });
});

it("refuses outcomes unless the gate is equal", async () => {
  const books = await ledger.open();
  await books.ok(...run("a", "t", true), ...run("b", "t", false), meter("b-t", { input_tokens: 90 }));
  const refused = await books.row(TEXT, "a", "b");
  const { experiment, arm_a, arm_b, verdict, reason, ...outcomes } = refused;
  expect([experiment, arm_a, arm_b, verdict, reason]).toEqual(["E", "a", "b", "unequal", "over-tolerance"]);
  expect(Object.values(outcomes)).toEqual(Array(16).fill(null));
  const text = "select verdict, p_value from ledger.compare_arms($1, 'E', 'a', 'b', 1)";
  expect(await books.row(text)).toEqual({ verdict: "unequal", p_value: null });
});

it("has no rate where nothing was judged, and p is 1", async () => {
  const books = await ledger.open();
  await books.ok(...run("a", "t", null), ...run("b", "t", "down"));
  const row = await books.row(TEXT, "a", "b");
  expect(row).toMatchObject({ rate_a: null, rate_b: null, errored_b: "1", unjudged_a: "1", pairs: "0", p_value: "1" });
});

it("raises of an arm that is not there, a bad tolerance, an empty experiment", async () => {
  const books = await ledger.open();
  await expect(books.rows(TEXT, "a", "b")).rejects.toMatchObject({ code: "LG010" });
  await books.ok(...run("a", "t", true));
  const pathOf = async (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      ({ code, detail }) => [code, JSON.parse(detail).path],
    );
  expect(await pathOf(books.rows(TEXT, "a", "b"))).toEqual(["LG001", "p_arm_b"]);
  expect(await pathOf(books.rows(TEXT, null, "a"))).toEqual(["LG001", "p_arm_a"]);
  const text = "select * from ledger.compare_arms($1, 'E', 'a', 'a', 2)";
  expect(await pathOf(books.rows(text))).toEqual(["LG001", "p_tolerance"]);
});
