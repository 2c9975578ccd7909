/** Corrections that state their lines: what is attributed to each model is always the last truth. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Books, type Operation, type Row, WAYS } from "../books.js";
import { correct, meter, openPool, openRun, settle, settleDriver, spawn, spawnDriver, spend } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();

const line = (model: string | null, input_tokens: number, usd: string, more: Operation = {}): Operation => ({
  ...(model === null ? {} : { model }),
  input_tokens,
  usd,
  ...more,
});

/** What is attributed to each provider, model and request; nothing where it comes to nothing. */
async function attributed(books: Books, ...columns: string[]): Promise<Row[]> {
  const key = ["model", ...columns].join(", ");
  return books.rows(
    `select ${key}, sum(input_tokens) as input, trim_scale(coalesce(sum(usd), 0)) as usd
     from ledger.usage_lines where tenant_id = $1 and pool_id <> '~beside' group by ${key}
     having sum(input_tokens) <> 0 or coalesce(sum(usd), 0) <> 0 order by ${key}`,
  );
}

const sum = (model: string | null, input: string, usd: string): Row => ({ model, input, usd });

describe.each(WAYS)("correct with lines %s", (way) => {
  async function withLeaf(): Promise<Books> {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 1000, usd: "50" }), spawn("p", "a", { tokens: 100, usd: "5" }));
    return books;
  }
  const ended = { operation_id: "end" };

  it("moves what was settled under one model to the models it was", async () => {
    const books = await withLeaf();
    await books.ok(settle("a", { input_tokens: 100, usd: "1" }, { ...ended, model: "small" }));
    await books.ok(
      correct("end", { input_tokens: 120, usd: "3" }, { lines: [line("small", 60, "0.5"), line("large", 60, "2.5")] }),
    );
    expect(await attributed(books)).toEqual([sum("large", "60", "2.5"), sum("small", "60", "0.5")]);
    expect(await books.balance("p", "tokens")).toEqual(["880", "0", "120"]);
  });

  it("keeps differences to the lines before, however often, and a model may come and go", async () => {
    const books = await withLeaf();
    const lines = [line("small", 10, "0.1"), line("large", 20, "0.4")];
    await books.ok(settle("a", { input_tokens: 30, usd: "0.5" }, { ...ended, lines }));
    await books.ok(
      correct(
        "end",
        { input_tokens: 37, usd: "0.6" },
        { lines: [line("small", 12, "0.1"), line("large", 20, "0.4"), line("huge", 5, "0.1")] },
      ),
    );
    const text =
      "select line, model, input_tokens as input, usd from ledger.usage_lines where tenant_id = $1 and kind = 'corrected' order by seq, line nulls last";
    expect(await books.rows(text)).toEqual([
      { line: 0, ...sum("small", "2", "0") },
      { line: 1, ...sum("huge", "5", "0.1") },
    ]);
    await books.ok(
      correct("end", { input_tokens: 25, usd: "0.3" }, { lines: [line("huge", 13, "0.2"), line("small", 12, "0.1")] }),
    );
    expect((await books.rows(text)).slice(2)).toEqual([
      { line: 0, ...sum("huge", "8", "0.1") },
      { line: 1, ...sum("large", "-20", "-0.4") },
    ]);
    expect(await attributed(books)).toEqual([sum("huge", "13", "0.2"), sum("small", "12", "0.1")]);
  });

  it("shows what a correction without lines adds as a row of its own, until lines explain it", async () => {
    const books = await withLeaf();
    await books.ok(settle("a", { input_tokens: 10, usd: "1" }, { ...ended, model: "small" }));
    await books.ok(
      correct("end", { input_tokens: 10, usd: "1" }, { lines: [line("small", 4, "0.5"), line("large", 6, "0.5")] }),
    );
    await books.ok(correct("end", { input_tokens: 15, usd: "2" }));
    expect(await attributed(books)).toEqual([sum("large", "6", "0.5"), sum("small", "9", "1.5")]);
    await books.ok(
      correct("end", { input_tokens: 15, usd: "2" }, { lines: [line("small", 4, "0.5"), line("large", 11, "1.5")] }),
    );
    expect(await attributed(books)).toEqual([sum("large", "11", "1.5"), sum("small", "4", "0.5")]);
  });

  it("tells providers and requests apart, adds up equal ones, and takes the event's where a line names none", async () => {
    const books = await withLeaf();
    await books.ok(
      meter(
        "p",
        { input_tokens: 9, usd: "0" },
        { operation_id: "m", provider: "acme", model: "m", provider_request_id: "q" },
      ),
    );
    const lines = [
      line(null, 1, "0"),
      line("m", 2, "0", { provider: "other" }),
      line("m", 3, "0", { provider_request_id: "r" }),
      line("m", 4, "0", { provider_request_id: "r" }),
      line("m", 0, "0", { provider_request_id: "nothing" }),
    ];
    await books.ok(correct("m", { input_tokens: 10 }, { lines }));
    expect(await attributed(books, "provider", "provider_request_id")).toEqual([
      { ...sum("m", "1", "0"), provider: "acme", provider_request_id: "q" },
      { ...sum("m", "7", "0"), provider: "acme", provider_request_id: "r" },
      { ...sum("m", "2", "0"), provider: "other", provider_request_id: "q" },
    ]);
    expect(
      await books.rows("select line from ledger.usage_lines where tenant_id = $1 and kind = 'corrected' order by line"),
    ).toEqual([{ line: 0 }, { line: 1 }, { line: 2 }, { line: null }]);
  });

  it("corrects every amount of a line, unknown dollars and resources too", async () => {
    const books = await withLeaf();
    const before = [
      {
        model: "m",
        iterations: 3,
        input_tokens: 20,
        output_tokens: 9,
        cache_read_tokens: 8,
        usd: "1",
        usd_known: false,
        ms: 5,
      },
      { model: "n", usd_known: false, resources: { gpu: { amount: "2.5" }, mail: { amount: 1 } } },
    ];
    await books.ok(
      settle(
        "a",
        {
          iterations: 3,
          input_tokens: 20,
          output_tokens: 9,
          cache_read_tokens: 8,
          usd: "1",
          usd_known: false,
          ms: 5,
          resources: { gpu: { amount: "2.5" }, mail: { amount: 1 } },
        },
        { ...ended, lines: before },
      ),
    );
    const after = [
      {
        model: "m",
        iterations: 1,
        input_tokens: 21,
        output_tokens: 5,
        cache_write_tokens: 7,
        reasoning_tokens: 4,
        usd: "0.75",
      },
      { model: "n", usd: "0.5", resources: { gpu: { amount: "1.5" } } },
    ];
    await books.ok(
      correct(
        "end",
        {
          iterations: 1,
          input_tokens: 21,
          output_tokens: 5,
          cache_write_tokens: 7,
          reasoning_tokens: 4,
          usd: "1.25",
          resources: { gpu: { amount: "1.5" } },
        },
        { lines: after },
      ),
    );
    const text = `select model, sum(iterations) as i, sum(input_tokens) as it, sum(output_tokens) as ot, sum(cache_read_tokens) as cr,
        sum(cache_write_tokens) as cw, sum(reasoning_tokens) as r, sum(charged_tokens) as ct, trim_scale(sum(usd)) as usd, sum(ms) as ms,
        trim_scale(sum(uncertain_usd)) as uu, (
          select jsonb_object_agg(g.key, g.amount) from (
            select e.key, sum((e.value ->> 'amount')::numeric) as amount from ledger.usage_lines k cross join jsonb_each(k.resources) e
            where k.tenant_id = $1 and k.model = u.model group by e.key
          ) g where g.amount <> 0
        ) as resources
      from ledger.usage_lines u where tenant_id = $1 and model is not null group by model order by model`;
    const none = { i: "0", it: "0", ot: "0", cr: "0", cw: "0", r: "0", ct: "0", ms: "0", uu: "0", resources: null };
    expect(await books.rows(text)).toEqual([
      { ...none, model: "m", i: "1", it: "21", ot: "5", cw: "7", r: "4", ct: "26", usd: "0.75" },
      { ...none, model: "n", usd: "0.5", resources: { gpu: 1.5 } },
    ]);
    expect(await books.channel("p", "usd")).toMatchObject({ committed: "1.25", uncertain: "0", measured: true });
  });

  it("leaves a ceiling charged for unknown dollars as a row of its own, and takes it back", async () => {
    const books = await withLeaf();
    await books.ok(settle("a", { input_tokens: 5, usd: "1" }, { ...ended, lines: [line("m", 5, "1")] }));
    const unknown = [{ model: "m", input_tokens: 5, usd_known: false }];
    await books.ok(correct("end", { input_tokens: 5, usd_known: false }, { lines: unknown }));
    expect(await attributed(books)).toEqual([sum("m", "5", "0"), sum(null, "0", "5")]);
    await books.ok(correct("end", { input_tokens: 5, usd: "2" }, { lines: [line("m", 5, "2")] }));
    expect(await attributed(books)).toEqual([sum("m", "5", "2")]);
  });

  it("corrects what an expiry charged, before and after the late settlement", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openPool("p", { tokens: 100, usd: "9" }),
      spawn("p", "a", { tokens: 40, usd: "1" }, { lease_ms: 1 }),
      {
        op: "dispatch",
        node_id: "a",
      },
    );
    await sleep(5);
    await books.ok({ op: "expire", operation_id: "expiry" });
    const truth = (tokens: number): Operation => ({ lines: [line("m", tokens, "0.5"), line("n", 1, "0")] });
    const spent = (tokens: number): Operation => ({ input_tokens: tokens + 1, usd: "0.5" });
    for (const [tokens, operation] of [
      [10, correct("expiry", spent(10), truth(10))],
      [12, settle("a", spent(12), { ...truth(12), operation_id: "late" })],
      [15, correct("late", spent(15), truth(15))],
      [14, correct("expiry", spent(14), truth(14))],
    ] as const) {
      await books.ok(operation);
      expect(await attributed(books)).toEqual([sum("m", String(tokens), "0.5"), sum("n", "1", "0")]);
    }
  });

  it("is kept once where it goes up through closed pools", async () => {
    const books = await ledger.open(way);
    await books.ok(
      openRun("r", { tokens: 100 }),
      spawnDriver("r", "d", { tokens: 50 }),
      meter("d", { input_tokens: 5 }, { operation_id: "m", model: "m" }),
      settleDriver("d"),
    );
    await books.ok(correct("m", { input_tokens: 9 }, { lines: [line("m", 4, "0"), line("n", 5, "0")] }));
    expect(await attributed(books)).toEqual([sum("m", "4", "0"), sum("n", "5", "0")]);
    expect(await books.balance("r", "tokens")).toEqual(["91", "0", "9"]);
  });

  it("writes tool calls seen later to its own row", async () => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), meter("p", {}, { operation_id: "m", tool_calls: ["read"] }));
    await books.ok(correct("m", {}, { tool_calls: ["search", "search"] }), correct("m", {}));
    expect((await books.journal("p")).map(({ kind, tool_calls }) => [kind, tool_calls])).toEqual([
      ["opened", null],
      ["metered", ["read"]],
      ["corrected", ["search", "search"]],
      ["corrected", null],
    ]);
  });

  it.each([
    ["lines that do not add up", { lines: [{ usd: "0", input_tokens: 4 }] }, "lines"],
    ["no line", { lines: [] }, "lines"],
    ["a line silent about dollars", { lines: [{ input_tokens: 5 }] }, "lines.0.usd"],
    ["a line of less than nothing", { lines: [{ usd: "0", input_tokens: -5 }] }, "lines.0.input_tokens"],
    ["tool calls that are no names", { tool_calls: "read" }, "tool_calls"],
    ["a model", { model: "m" }, "model"],
  ])("does not take %s", async (_what, keys, path) => {
    const books = await ledger.open(way);
    await books.ok(openPool("p"), meter("p", {}, { operation_id: "m" }));
    expect(await books.failed("LG001", { ...correct("m", { input_tokens: 5 }), ...keys })).toBe(path);
    expect(await books.kinds("p")).toEqual(["opened", "metered"]);
  });
});

it("the same correction again is the same answer, and keeps no line twice", async () => {
  const books = await ledger.open();
  await books.ok(openPool("p"), meter("p", spend({ input_tokens: 1 }), { operation_id: "m" }));
  const again = { ...correct("m", { input_tokens: 2 }, { lines: [line("m", 2, "0")] }), operation_id: "c" };
  await books.ok(again);
  expect(await books.do(again)).toMatchObject({ status: "replayed", code: null });
  expect(await attributed(books)).toEqual([sum("m", "2", "0")]);
});
