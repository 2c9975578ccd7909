/** Operations sent again: idempotency. */
import { describe, expect, it } from "vitest";
import { correct, meter, openPool, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const outcomes = (answers: readonly { status: string; code: string | null }[]) =>
  answers.map(({ status, code }) => (code === null ? status : `${status} ${code}`));

describe("an operation sent again", () => {
  it("is replayed: the first code and result again", async () => {
    const books = await ledger.open();
    const operations = [
      openPool("p", { tokens: 10 }, { operation_id: "open" }),
      spawn("p", "a", { tokens: 5 }, { operation_id: "spawn" }),
      spawn("p", "b", { tokens: 6 }, { operation_id: "short" }),
      meter("p", { input_tokens: 1 }, { operation_id: "turn" }),
    ];
    const first = await books.apply(operations);
    const again = await books.apply(operations);
    expect(again).toEqual(first.map((answer) => ({ ...answer, status: "replayed" })));
    expect(outcomes(again)).toEqual(["replayed", "replayed", "replayed budget-exhausted", "replayed"]);
    for (const operation of operations) expect(await books.do(operation)).toMatchObject({ status: "replayed" });
    expect(await books.balance("p", "tokens")).toEqual(["4", "5", "1"]);
  });

  it("is replayed though the world has moved on", async () => {
    const books = await ledger.open();
    const short = spawn("p", "a", { tokens: 6 }, { operation_id: "short" });
    await books.ok(openPool("p", { tokens: 5 }));
    await books.refused("budget-exhausted", short);
    await books.ok({ op: "fund", pool_id: "p", amounts: { tokens: 5 } });
    expect(await books.do(short)).toMatchObject({ status: "replayed", code: "budget-exhausted" });
    await books.ok({ ...short, operation_id: "other" });
  });

  it("is replayed inside one batch, and once more in the next", async () => {
    const books = await ledger.open();
    const turn = meter("p", { input_tokens: 1 }, { operation_id: "turn" });
    const answers = await books.apply([
      openPool("p", { tokens: 10 }),
      turn,
      turn,
      meter("p", { input_tokens: 2 }),
      turn,
    ]);
    expect(outcomes(answers)).toEqual(["ok", "ok", "replayed", "ok", "replayed"]);
    expect(answers[2]?.result).toEqual(answers[1]?.result);
    expect(await books.balance("p", "tokens")).toEqual(["7", "0", "3"]);
    expect(outcomes(await books.apply([meter("p", { input_tokens: 1 }), turn]))).toEqual(["ok", "replayed"]);
    expect(await books.balance("p", "tokens")).toEqual(["6", "0", "4"]);
  });

  it("with other content is LG005, before anything else about it is looked at", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 10 }), meter("p", { input_tokens: 1 }, { operation_id: "x" }));
    for (const other of [
      meter("p", { input_tokens: 2 }, { operation_id: "x" }),
      meter("nowhere", {}, { operation_id: "x" }),
      { op: "steal", operation_id: "x" },
      { operation_id: "x" },
      meter("p", { input_tokens: "1" }, { operation_id: "x" }),
      meter("p", { input_tokens: 1 }, { operation_id: "x", tags: {} }),
    ]) {
      expect(await books.failed("LG005", other), JSON.stringify(other)).toBe("operation_id");
    }
    expect(await books.balance("p", "tokens")).toEqual(["9", "0", "1"]);
  });

  it("with other content in one batch is LG005 where it stands second", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p", { tokens: 10 }));
    const turn = (tokens: number) => meter("p", { input_tokens: tokens }, { operation_id: "x" });
    expect(outcomes(await books.apply([turn(1), turn(2), turn(1)]))).toEqual(["ok", "error LG005", "replayed"]);
    expect(await books.balance("p", "tokens")).toEqual(["9", "0", "1"]);
  });

  it("is the same content in whatever order its keys come, and another where a number is written otherwise", async () => {
    const books = await ledger.open();
    await books.ok(openPool("p"));
    const call = async (text: string) => {
      const { rows } = await books.client.query("call ledger.submit($1, $2, false, null)", [
        books.tenantId,
        `[${text}]`,
      ]);
      return outcomes(rows[0].p_results);
    };
    const spendText = '"spend": {"iterations": 0, "input_tokens": 1, "output_tokens": 0, "usd": 0.5}';
    expect(await call(`{"operation_id": "x", "op": "meter", "pool_id": "p", ${spendText}}`)).toEqual(["ok"]);
    expect(await call(`{${spendText}, "pool_id": "p", "op": "meter", "operation_id": "x"}`)).toEqual(["replayed"]);
    expect(
      await call(`{"operation_id": "x", "op": "meter", "pool_id": "p", ${spendText.replace("0.5", "0.50")}}`),
    ).toEqual(["error LG005"]);
  });

  it("after an error is new: an error is not kept", async () => {
    const books = await ledger.open();
    const turn = meter("p", { input_tokens: 1 }, { operation_id: "x" });
    expect(await books.failed("LG002", turn)).toBe("pool_id");
    await books.ok(openPool("p"));
    await books.ok(turn);
    const answers = await books.apply([
      meter("q", {}, { operation_id: "y" }),
      openPool("q"),
      meter("q", {}, { operation_id: "y" }),
    ]);
    expect(outcomes(answers)).toEqual(["error LG002", "ok", "ok"]);
  });

  it("is another operation in another tenant", async () => {
    const [one, two] = [await ledger.open(), await ledger.open()];
    for (const books of [one, two]) await books.ok(openPool("p", { tokens: 1 }, { operation_id: "x" }));
    await two.ok(meter("p", { input_tokens: 5 }));
    expect(await one.balance("p", "tokens")).toEqual(["1", "0", "0"]);
  });

  it("replays beside a new correction of it", async () => {
    const books = await ledger.open();
    const turn = meter("p", { input_tokens: 9 }, { operation_id: "x" });
    await books.ok(openPool("p", { tokens: 10 }), turn);
    expect(outcomes(await books.apply([turn, correct("x", { input_tokens: 2 }), turn]))).toEqual([
      "replayed",
      "ok",
      "replayed",
    ]);
    expect(await books.balance("p", "tokens")).toEqual(["8", "0", "2"]);
  });
});
