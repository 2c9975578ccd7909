/** What the detectors say of tool calls: worked by hand, and by a loop over what the view of the calls shows. */
import { describe, expect, it } from "vitest";
import { chance } from "../../setup/chance.js";
import type { Books, Operation, Row } from "../books.js";
import { meter, openPool, openRun, settle, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;

/** A call in short: `read` alone, `read/a` with arguments, `read!` failed, `read+` ok; all of it together as `read/a!`. */
function callOf(text: string): unknown {
  const [, name = "", args, mark] = /^(\w+)(?:\/(\w))?([!+])?$/.exec(text) ?? [];
  if (args === undefined && mark === undefined) return name;
  const status = mark === "!" ? "error" : "ok";
  return { name, ...(args && { arguments: digest(args) }), ...(mark && { status }) };
}

const turn = (poolId: string, calls: string): Operation =>
  meter(poolId, {}, { tool_calls: calls.split(" ").filter(Boolean).map(callOf) });

const WHERE = "pool_id, seq, position, detector, tool, streak, first_seq";

/** `[seq, position, detector, tool, streak, first_seq]`. */
async function findings(books: Books): Promise<unknown[][]> {
  const rows = await books.rows(`select ${WHERE} from ledger.tool_findings where tenant_id = $1 order by ${WHERE}`);
  return rows.map((row) => [
    ...[Number(row.seq), row.position, row.detector, row.tool],
    ...[Number(row.streak), Number(row.first_seq)],
  ]);
}

describe("tool_findings", () => {
  it.each<[string, string, unknown[][]]>([
    ["nothing of two of a kind", "t/a t/a", []],
    ["three of a kind, once", "t/a t/a t/a t/a t/a", [[2, 2, "repeated-action", "t", 3, 2]]],
    [
      "each doubling",
      "x t/a t/a t/a t/a t/a t/a t/a t/a t/a t/a t/a t/a t/a",
      [
        [2, 3, "repeated-action", "t", 3, 2],
        [2, 6, "repeated-action", "t", 6, 2],
        [2, 12, "repeated-action", "t", 12, 2],
      ],
    ],
    ["nothing of other arguments", "t/a t/b t/a t/b t/a t/b", []],
    ["nothing of another tool", "t/a u/a t/a u/a t/a", []],
    ["nothing of arguments nobody stated", "t t t t t t", []],
    ["nothing across a call without arguments", "t/a t/a t t/a", []],
    [
      "a streak anew after another",
      "t/a t/a t/a u/a t/a t/a t/a",
      [
        [2, 2, "repeated-action", "t", 3, 2],
        [2, 6, "repeated-action", "t", 3, 2],
      ],
    ],
    ["three errors of one tool", "t! t! t!", [[2, 2, "error-streak", "t", 3, 2]]],
    ["three errors of several", "t! u! t! t!", [[2, 2, "error-streak", null, 3, 2]]],
    ["errors that are in a row but for what nobody knows", "t! x t! y/a z t!", [[2, 5, "error-streak", "t", 3, 2]]],
    ["no errors in a row where one went well", "t! t! u+ t! t!", []],
    [
      "errors anew after one that went well",
      "t! t! t! t! t! u! v+ u! u! u!",
      [
        [2, 2, "error-streak", "t", 3, 2],
        [2, 5, "error-streak", null, 6, 2],
        [2, 9, "error-streak", "u", 3, 2],
      ],
    ],
    [
      "the same that fails",
      "t/a! t/a! t/a!",
      [
        [2, 2, "error-streak", "t", 3, 2],
        [2, 2, "repeated-action", "t", 3, 2],
      ],
    ],
  ])("has %s", async (_what, calls, expected) => {
    const books = await ledger.open();
    await books.ok(openPool("p"), turn("p", calls));
    expect(await findings(books)).toEqual(expected);
  });

  it("says where, in a run and outside any, over turns and leaves of a pool, and never across pools", async () => {
    const books = await ledger.open();
    const effective_at = "2026-02-03T04:05:06Z";
    const leaf = (id: string, results: readonly Operation[] = []): Operation =>
      settle(
        id,
        {},
        {
          tool_calls: [{ name: "t", id, arguments: digest("a") }],
          ...(results.length > 0 && { tool_results: results }),
          effective_at,
        },
      );
    const failed = (id: string): Operation => ({ id, status: "error" });
    await books.ok(
      openRun("r"),
      openPool("q"),
      ...["1", "2", "3"].map((id) => spawn("r", id)),
      turn("r", "t/a"),
      leaf("2", [failed("1")]),
      turn("q", "t/a t/a"),
      leaf("1"),
      leaf("3", [failed("2")]),
    );
    // The order is that of their ends: the turn (5), leaf 2 (6), leaf 1 (7), leaf 3 (8), of which nobody knows what became.
    const found = {
      ...{ tenant_id: books.tenantId, run_id: "r", pool_id: "r", position: 0, effective_at: new Date(effective_at) },
      ...{ tool: "t", streak: "3", first_seq: "5", seq: "7" },
    };
    const all = () => books.rows("select * from ledger.tool_findings where tenant_id = $1 order by pool_id, detector");
    expect(await all()).toEqual([{ ...found, detector: "repeated-action", arguments: digest("a") }]);
    await books.ok(meter("r", {}, { tool_results: [failed("3")] }), turn("q", "t/b! t/a! t/a!"));
    const errors = { detector: "error-streak", tool: "t", arguments: null, streak: "3" };
    expect(await all()).toMatchObject([
      { ...errors, run_id: null, pool_id: "q", seq: "3", position: 2, first_seq: "3" },
      { ...errors, run_id: "r", pool_id: "r", seq: "8", position: 0, first_seq: "6" },
      { detector: "repeated-action", pool_id: "r", streak: "3" },
    ]);
  });

  it.each([1, 2, 3, 4])("is what a loop over the calls finds (%i)", async (seed) => {
    const books = await ledger.open();
    const random = chance(seed);
    const pick = <T>(...from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    let id = 0;
    const call = (): Operation => ({
      name: pick("t", "t", "t", "u"),
      ...(random() < 0.7 && { id: `${random() < 0.2 ? Math.floor(random() * (id + 1)) : ++id}` }),
      ...(random() < 0.95 && { arguments: digest(pick("a", "a", "a", "b")) }),
      ...(random() < 0.6 && { status: pick("error", "error", "error", "ok") }),
    });
    const turns = Array.from({ length: 80 }, () =>
      meter(
        pick("p", "p", "q"),
        {},
        {
          tool_calls: Array.from({ length: Math.floor(random() * 4) }, call),
          tool_results: Array.from({ length: Math.floor(random() * 2) }, () => ({
            id: `${Math.floor(random() * (id + 3))}`,
            status: pick("error", "error", "ok"),
          })),
        },
      ),
    );
    await books.apply([openRun("p"), openPool("q"), ...turns]);
    const calls = await books.rows(
      "select * from ledger.tool_calls where tenant_id = $1 order by pool_id, seq, position",
    );
    const looped = ["p", "q"].flatMap((pool) => found(calls.filter(({ pool_id }) => pool_id === pool)));
    const order = "order by pool_id, seq, position, detector";
    expect(await books.rows(`select * from ledger.tool_findings where tenant_id = $1 ${order}`)).toEqual(looped);
    expect(looped.length).toBeGreaterThan(5);
  });
});

/** The findings of the calls of one pool, in order, by keeping count. */
function found(calls: readonly Row[]): Row[] {
  const all: Row[] = [];
  let same: Row[] = [];
  let errors: Row[] = [];
  const fire = (detector: string, streak: readonly Row[], tool: unknown, args: unknown): void => {
    if (![3, 6, 12, 24, 48, 96].includes(streak.length)) return;
    const { tenant_id, run_id, pool_id, seq, position, effective_at } = streak.at(-1) as Row;
    const at = { tenant_id, run_id, pool_id, seq, position, effective_at };
    all.push({ ...at, detector, tool, arguments: args, streak: String(streak.length), first_seq: streak[0]?.seq });
  };
  for (const call of calls) {
    if (call.status === "ok") errors = [];
    if (call.status === "error") {
      errors.push(call);
      fire("error-streak", errors, errors.every(({ tool }) => tool === call.tool) ? call.tool : null, null);
    }
    const equal = call.arguments !== null && same[0]?.tool === call.tool && same[0]?.arguments === call.arguments;
    same = equal ? [...same, call] : [call];
    fire("repeated-action", same, call.tool, call.arguments);
  }
  return all;
}
