/** What is grouped, what is kept apart, and that everybody is answered. */
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Coalescer, Series } from "../../src/ledger/coalescer.js";
import { LedgerError } from "../../src/ledger/errors.js";
import { answersTo, gated, meter } from "./gated.js";

describe("the coalescer", () => {
  it("sends what queued while a call on the pool was in flight in the next one, each answer to its caller", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send);
    const first = coalescer.request([meter("p", "1")], { atomic: false });
    await turn();
    const rest = [["2", "3"], ["4"]].map((ids) =>
      coalescer.request(
        ids.map((id) => meter("p", id)),
        { atomic: false },
      ),
    );
    await turn();
    expect(wire.sent()).toEqual([["1"]]);
    wire.calls[0]?.let();
    await first;
    await turn();
    expect(wire.sent()).toEqual([["1"], ["2", "3", "4"]]);
    wire.calls[1]?.let();
    expect(
      (await Promise.all(rest)).map((answers) => answers.map(({ position, result }) => [position, result.node_id])),
    ).toEqual([
      [
        [0, "2"],
        [1, "3"],
      ],
      [[0, "4"]],
    ]);
  });

  it("keeps unrelated pools in calls of their own, side by side", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send);
    for (const pool of ["a", "b", "a", "b"]) void coalescer.request([meter(pool, pool)], { atomic: false });
    await turn();
    expect(wire.sent()).toEqual([
      ["a", "a"],
      ["b", "b"],
    ]);
  });

  it("has no more calls in flight, and no larger ones, than it may", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send, { maxOperations: 2, maxInFlight: 2 });
    for (const pool of ["a", "b", "c", "a", "a"]) void coalescer.request([meter(pool, pool)], { atomic: false });
    await turn();
    expect(wire.sent()).toEqual([["a", "a"], ["b"]]);
    wire.calls[1]?.let();
    await turn();
    expect(wire.sent()).toEqual([["a", "a"], ["b"], ["c"]]);
  });

  it("lets nobody overtake: a request that waits for one of its pools holds its place in the others", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send);
    void coalescer.request([meter("a", "1")], { atomic: false });
    await turn();
    void coalescer.request([meter("a", "2"), meter("b", "2")], { atomic: false });
    void coalescer.request([meter("b", "3")], { atomic: false });
    await turn();
    expect(wire.sent()).toEqual([["1"]]);
    wire.calls[0]?.let();
    await turn();
    expect(wire.sent()).toEqual([["1"], ["2", "2", "3"]]);
  });

  it("sends an atomic request alone", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send);
    void coalescer.request([meter("a", "1")], { atomic: true });
    void coalescer.request([meter("a", "2")], { atomic: false });
    await turn();
    expect(wire.calls.map(({ atomic, operations }) => [atomic, operations.length])).toEqual([[true, 1]]);
    wire.calls[0]?.let();
    await turn();
    expect(wire.calls.map(({ atomic, operations }) => [atomic, operations.length])).toEqual([
      [true, 1],
      [false, 1],
    ]);
  });

  it("sends nothing for a pool that somebody of this process has, and others meanwhile", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send);
    const [one, other] = [coalescer.reserve(["a"]), coalescer.reserve(["a", "c"])];
    for (const pool of ["a", "b", "c"]) void coalescer.request([meter(pool, pool)], { atomic: false });
    await turn();
    expect(wire.sent()).toEqual([["b"]]);
    other();
    await turn();
    expect(wire.sent()).toEqual([["b"], ["c"]]);
    one();
    await turn();
    expect(wire.sent()).toEqual([["b"], ["c"], ["a"]]);
  });

  it("sends the parts of one batch one after the other, and none after one that failed", async () => {
    const wire = gated();
    const coalescer = new Coalescer(wire.send, { maxOperations: 1 });
    const series = new Series();
    const parts = ["a", "b", "c"].map((pool) => coalescer.request([meter(pool, pool)], { atomic: false, series }));
    const settled = Promise.allSettled(parts);
    await turn();
    expect(wire.sent()).toEqual([["a"]]);
    wire.calls[0]?.let();
    await turn();
    const gone = new LedgerError("08006", "gone", { retryable: true });
    wire.calls[1]?.let(gone);
    expect(await settled).toMatchObject([
      { status: "fulfilled" },
      { status: "rejected", reason: gone },
      { status: "rejected", reason: gone },
    ]);
    expect(wire.sent()).toEqual([["a"], ["b"]]);
  });

  it("asks each request alone where the call failed because of one of them", async () => {
    const poisoned = new LedgerError("22P05", "untranslatable character");
    const coalescer = new Coalescer(async (operations) => {
      if (operations.some(({ operation_id }) => operation_id === "bad")) throw poisoned;
      return answersTo(operations);
    });
    const asked = ["1", "bad", "2"].map((id) => coalescer.request([meter("a", id)], { atomic: false }));
    expect(await Promise.allSettled(asked)).toMatchObject([
      { status: "fulfilled" },
      { status: "rejected", reason: poisoned },
      { status: "fulfilled" },
    ]);
  });

  it.each([new LedgerError("LG009", "tenant_forbidden"), new LedgerError("08006", "gone", { retryable: true })])(
    "tells all where nobody in particular is to blame ($code)",
    async (error) => {
      let calls = 0;
      const coalescer = new Coalescer(async () => {
        calls += 1;
        throw error;
      });
      const asked = ["1", "2", "3"].map((id) => coalescer.request([meter("a", id)], { atomic: false }));
      expect(await Promise.allSettled(asked)).toEqual(asked.map(() => ({ status: "rejected", reason: error })));
      expect(calls).toBe(1);
    },
  );

  it("answers everybody once, in order within a pool, never two calls of a pool at once", async () => {
    const requests = fc.array(fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(requests, fc.scheduler(), async (pools, scheduler) => {
        const busy = new Map<string, number>();
        const order = new Map<string, string[]>();
        const coalescer = new Coalescer(
          async (operations) => {
            const named = new Set(operations.map((operation) => String(operation.pool_id)));
            for (const pool of named) busy.set(pool, (busy.get(pool) ?? 0) + 1);
            expect(Math.max(...busy.values())).toBe(1);
            for (const { pool_id, operation_id } of operations) {
              order.set(String(pool_id), [...(order.get(String(pool_id)) ?? []), operation_id]);
            }
            await scheduler.schedule(Promise.resolve());
            for (const pool of named) busy.set(pool, 0);
            return answersTo(operations);
          },
          { maxOperations: 4, maxInFlight: 3 },
        );
        const asked = pools.map((names, index) => names.map((pool, place) => meter(pool, `${index}.${place}`)));
        const answered = Promise.all(asked.map((operations) => coalescer.request(operations, { atomic: false })));
        await scheduler.waitFor(answered);
        expect((await answered).map((answers) => answers.map(({ result }) => result.node_id))).toEqual(
          asked.map((operations) => operations.map(({ operation_id }) => operation_id)),
        );
        for (const [pool, ids] of order) {
          expect(ids).toEqual(asked.flat().flatMap((one) => (one.pool_id === pool ? [one.operation_id] : [])));
        }
      }),
      { numRuns: 200 },
    );
  });
});
