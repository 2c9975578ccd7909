import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, openRun, settleDriver, spawn, spawnDriver } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const judge = (runId: string, more = {}) => ({ op: "judge", run_id: runId, resolved: true, ...more });
const JUDGEMENT =
  "select resolved, score, infra, judged_at is not null as judged from ledger.runs where tenant_id = $1";

describe.each(WAYS)("judge %s", (way) => {
  it("keeps what a run was worth, open or closed", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r"));
    expect(await books.row(JUDGEMENT)).toEqual({ resolved: null, score: null, infra: false, judged: false });
    expect(await books.ok(judge("r", { score: 0.75 }))).toEqual({ pool_id: "r", seq: 2 });
    expect(await books.row(JUDGEMENT)).toEqual({ resolved: true, score: "0.75", infra: false, judged: true });
    expect((await books.journal("r")).at(-1)).toMatchObject({
      kind: "judged",
      node_id: "r",
      run_id: "r",
      detail: { resolved: true, score: 0.75 },
    });
    await books.ok(settleDriver("r"), judge("r", { resolved: false, infra: true }));
    expect(await books.row(JUDGEMENT)).toEqual({ resolved: false, score: null, infra: true, judged: true });
  });

  it("counts the last time", async () => {
    const books = await ledger.open(way);
    await books.ok(openRun("r"), judge("r", { infra: true, score: -3 }), judge("r", { resolved: false, score: 1e14 }));
    expect(await books.row(JUDGEMENT)).toEqual({
      resolved: false,
      score: "100000000000000",
      infra: false,
      judged: true,
    });
    expect((await books.journal("r")).map(({ kind, infra }) => [kind, infra])).toEqual([
      ["opened", null],
      ["judged", true],
      ["judged", null],
    ]);
  });

  it("judges a run below other pools", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("top"), openRun("r", {}, { parent_pool_id: "top" }));
    expect(await books.ok(judge("r"))).toEqual({ pool_id: "r", seq: 2 });
    expect(await books.kinds("top")).toEqual(["opened", "spawned"]);
  });

  it("is for runs: other nodes are none, whatever run they are in", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), openRun("r", {}, { parent_pool_id: "p" }), spawnDriver("r", "d"), spawn("d", "a"));
    for (const id of ["p", "d", "a"]) expect(await books.failed("LG001", judge(id))).toBe("run_id");
    expect(await books.failed("LG003", judge("nobody"))).toBe("run_id");
  });

  it.each([
    [{ resolved: undefined }, "resolved"],
    [{ resolved: "yes" }, "resolved"],
    [{ score: "0.5" }, "score"],
    [{ score: 1e15 }, "score"],
    [{ score: null }, "score"],
    [{ infra: 1 }, "infra"],
    [{ verdict: {} }, "verdict"],
  ])("does not take %j", async (change, path) => {
    const books = await ledger.open(way);
    await books.ok(openRun("r"));
    expect(await books.failed("LG001", judge("r", change))).toBe(path);
  });
});
