/** Tools of a call through the client: what is sent, what is refused before it is, and what a call would cost. */
import { describe, expect, it } from "vitest";
import type { ToolCall, ToolResult } from "../../src/ledger/protocol.js";
import { useClients } from "./client.js";

const clients = useClients();

const digest = `sha256:${"0a".repeat(32)}`;
const toolCalls: readonly (string | ToolCall)[] = [
  "read",
  { name: "edit", id: "1", arguments: digest, status: undefined },
  { name: "run", status: "error" },
];
const toolResults: readonly ToolResult[] = [{ id: "0", status: "ok" }];
const spent = { iterations: 1, input_tokens: 1, output_tokens: 1, usd: 0 };

describe("tools of a call", () => {
  it("are kept with what observes, reconciles and cancels", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({}, { poolId: "p" });
    const told = { toolCalls, toolResults, detail: { kind: "call" } };
    await pool.observe(spent, told);
    for (const label of ["a", "b"]) {
      const room = await pool.reserve({}, { label });
      if (!room.ok) throw new Error("refused");
      if (label === "a") await pool.reconcile(room.ticket, spent, told);
      else await pool.cancel(room.ticket, { reason: "r", ...told });
    }
    const rows = await ledger.db
      .selectFrom("journal")
      .select(["kind", "tool_calls", "detail"])
      .where("kind", "in", ["metered", "settled", "cancelled"])
      .orderBy("seq")
      .execute();
    const kept = {
      tool_calls: ["read", { name: "edit", id: "1", arguments: digest }, { name: "run", status: "error" }],
      detail: { kind: "call", tool_results: toolResults },
    };
    expect(rows).toEqual(["metered", "settled", "cancelled"].map((kind) => ({ kind, ...kept })));
  });

  it.each([
    [{ toolCalls: [1] }, "options.toolCalls.0", /text or an object/],
    [{ toolCalls: [{ id: "1" }] }, "options.toolCalls.0", /required/],
    [{ toolCalls: [{ name: "n", arguments: "{}" }] }, "options.toolCalls.0.arguments", /sha256/],
    [{ toolCalls: [{ name: "n", status: "failed" }] }, "options.toolCalls.0", /ok, error/],
    [{ toolCalls: [{ name: "n", input: {} }] }, "options.toolCalls.0", /"input"/],
    [{ toolResults: [{ id: "1" }] }, "options.toolResults.0.status", /required/],
    [{ toolResults: ["1"] }, "options.toolResults.0", /object/],
  ])("are refused as %o", async (wrong, path, rule) => {
    const ledger = await clients.open();
    const options = wrong as object;
    await expect(ledger.pool("p").observe(spent, options)).rejects.toMatchObject({
      code: "LG001",
      detail: { path, rule: expect.stringMatching(rule) },
    });
  });
});

describe("an estimate", () => {
  it("is what a call would cost by the book in use, and null where nobody knows", async () => {
    const ledger = await clients.open();
    const pool = await ledger.openPool({}, { poolId: "p" });
    const call = { provider: "acme", model: "large", input_tokens: 1_000_000, output_tokens: "10" };
    expect(await pool.estimate(call)).toBeNull();
    const price = { provider: "acme", model: "large" };
    await ledger.putPrices("own", [
      { ...price, token_class: "input", usd_per_million: "2.5" },
      { ...price, token_class: "output", usd_per_million: 10 },
    ]);
    await ledger.usePrices("own");
    expect(await pool.estimate(call)).toBe("2.5001");
    expect(await pool.estimate({ ...call, model: "small" })).toBeNull();
    await ledger.withTransaction({ pools: ["p"] }, async (_client, inside) => {
      expect(await inside.pool("p").estimate({ ...call, output_tokens: 0n })).toBe("2.5");
    });
    await expect(pool.estimate({ ...call, input_tokens: -1 })).rejects.toMatchObject({
      code: "LG001",
      detail: { path: "call.input_tokens", rule: "must not be negative" },
    });
  });
});
