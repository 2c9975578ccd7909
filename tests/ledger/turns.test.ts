/** Under load: what shares a call, whose turn it is, how large calls are, and that nobody waits in vain. */
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Coalescer, Series } from "../../src/ledger/coalescer.js";
import { unanswered } from "../../src/ledger/errors.js";
import { Pace } from "../../src/ledger/pace.js";
import type { Operation } from "../../src/ledger/protocol.js";
import { answersTo, gated, meter } from "./gated.js";

const spawn = (pool: string, id: string): Operation => ({ op: "spawn", operation_id: id, pool_id: pool });
const settle = (node: string, id: string): Operation => ({ op: "settle", operation_id: id, node_id: node });

/** A coalescer with one call under way, so that everything asked next has to wait. */
async function crowded(options: { maxOperations?: number } = {}) {
  const wire = gated();
  const coalescer = new Coalescer(wire.send, { maxInFlight: 1, ...options });
  const ask = (operation: Operation, lane?: string) => coalescer.request([operation], { atomic: false, lane });
  const first = ask(meter("first", "1"));
  await turn();
  let calls = 0;
  const let_ = async () => {
    wire.calls[calls++]?.let();
    await turn();
    return wire.sent().slice(calls).at(-1);
  };
  return { wire, coalescer, ask, first, next: let_ };
}

describe("what had to wait, as many calls being under way as may be,", () => {
  it("goes out together, whatever its pools", async () => {
    const { ask, next } = await crowded();
    const asked = ["a", "b", "a", "c"].map((pool, index) => ask(meter(pool, `${pool}${index}`)));
    expect(await next()).toEqual(["a0", "a2", "b1", "c3"]);
    await next();
    expect((await Promise.all(asked)).map(([answer]) => [answer?.position, answer?.result.node_id])).toEqual(
      ["a0", "b1", "a2", "c3"].map((id) => [0, id]),
    );
  });

  it("keeps those that make nodes from those that end some, unless it is one pool's", async () => {
    const { ask, next } = await crowded();
    void ask(spawn("f", "both 1"));
    void ask(settle("m", "both 2"), "f");
    void ask(spawn("a", "makes"));
    void ask(settle("n", "ends"), "b");
    void ask(spawn("c", "makes too"));
    void ask(meter("d", "neither"));
    void ask({ op: "deliver", operation_id: "ends too", pool_id: "e" });
    expect(await next()).toEqual(["both 1", "both 2", "neither"]);
    expect(await next()).toEqual(["makes", "makes too"]);
    expect(await next()).toEqual(["ends", "ends too"]);
  });

  it("takes turns by pool: a crowd before one delays no other", async () => {
    const { ask, next } = await crowded({ maxOperations: 3 });
    for (const id of ["a1", "a2", "a3", "a4", "a5", "a6", "a7"]) void ask(meter("a", id));
    void ask(meter("b", "b1"));
    expect(await next()).toEqual(["a1", "a2", "a3"]);
    expect(await next()).toEqual(["b1", "a4", "a5"]);
    void ask(meter("b", "b2"));
    expect(await next()).toEqual(["b2", "a6", "a7"]);
  });

  it("goes alone where it is atomic, or larger than a call", async () => {
    const { coalescer, ask, next } = await crowded({ maxOperations: 3 });
    void coalescer.request([meter("a", "atomic")], { atomic: true });
    void ask(meter("b", "b"));
    void coalescer.request(
      ["1", "2", "3", "4"].map((id) => meter("c", id)),
      { atomic: false },
    );
    expect(await next()).toEqual(["atomic"]);
    expect(await next()).toEqual(["b"]);
    expect(await next()).toEqual(["1", "2", "3", "4"]);
  });
});

describe("a batch that is not waited for any longer", () => {
  it("is taken out as far as it was not sent, and the others go on in their order", async () => {
    const { coalescer, ask, next } = await crowded();
    const series = new Series();
    const taken = ["x", "y"].map((id) => coalescer.request([meter("a", id)], { atomic: false, series }));
    const outcome = Promise.allSettled(taken);
    const asked = ["1", "2"].map((id) => ask(meter("a", id)));
    const error = unanswered(series.isSent, { why: "enough", retryable: false }, ["x", "y"]);
    expect(error).toMatchObject({
      code: "57014",
      name: "cancelled",
      retryable: false,
      detail: { sent: false, operation_ids: ["x", "y"] },
    });
    coalescer.withdraw(series, error);
    expect(await outcome).toEqual(taken.map(() => ({ status: "rejected", reason: error })));
    expect(await next()).toEqual(["1", "2"]);
    await next();
    await Promise.all(asked);
    await coalescer.idle();
  });

  it("leaves what was sent to its end, and its slot to the next", async () => {
    const { wire, coalescer, first, ask, next } = await crowded({ maxOperations: 1 });
    wire.calls[0]?.let();
    await first;
    const series = new Series();
    const parts = ["x", "y"].map((id) => coalescer.request([meter("a", id)], { atomic: false, series }));
    const outcome = Promise.allSettled(parts);
    await turn();
    const after = ask(meter("b", "after"));
    expect(series.isSent).toBe(true);
    expect(unanswered(series.isSent, { why: "enough", retryable: false })).toMatchObject({
      code: "08007",
      retryable: true,
      detail: { sent: true },
    });
    coalescer.withdraw(series, "withdrawn");
    await next();
    expect(wire.sent()).toEqual([["1"], ["x"]]);
    wire.calls[1]?.let();
    await turn();
    expect(await outcome).toMatchObject([{ status: "fulfilled" }, { status: "rejected", reason: "withdrawn" }]);
    expect(wire.sent()).toEqual([["1"], ["x"], ["after"]]);
    wire.calls[2]?.let();
    await after;
  });
});

describe("a request behind a call that hangs", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is given up after a minute in which nothing before it was answered, and not sent", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const wire = gated();
    const coalescer = new Coalescer(wire.send, { maxInFlight: 2 });
    const ask = (pool: string, id: string) => coalescer.request([meter(pool, id)], { atomic: false });
    void ask("hangs", "1");
    void ask("works", "1");
    await turn();
    const held = ask("hangs", "2").catch((error: unknown) => error);
    const works = ask("works", "2");
    await vi.advanceTimersByTimeAsync(40_000);
    wire.calls[1]?.let();
    await turn();
    const later = ask("works", "3");
    await vi.advanceTimersByTimeAsync(35_000);
    expect(await held).toMatchObject({ code: "57014", retryable: true, detail: { sent: false } });
    wire.calls[2]?.let();
    await works;
    await turn();
    wire.calls[3]?.let();
    await later;
    expect(wire.sent()).toEqual([["1"], ["1"], ["2"], ["3"]]);
    wire.calls[0]?.let();
    await coalescer.idle();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the size of calls", () => {
  it("is the largest while they are in time, what would have been in time after a slow one, and doubles back", () => {
    const pace = new Pace(200);
    const sizes = (calls: readonly (readonly [operations: number, ms: number])[]) =>
      calls.map(([operations, ms]) => {
        pace.note(operations, ms);
        return pace.size;
      });
    expect(sizes([[200, 50]])).toEqual([200]);
    // 0.5 ms an operation: 100 take 50 ms.
    expect(sizes([[200, 100]])).toEqual([100]);
    // Not full: it says nothing of larger ones. Full ones in time do.
    expect(
      sizes([
        [50, 20],
        [100, 50],
        [100, 40],
      ]),
    ).toEqual([100, 200, 200]);
    // However slow, not below ten; what has fewer says nothing of size.
    expect(
      sizes([
        [200, 60_000],
        [1, 60_000],
        [10, 60_000],
        [10, 5],
        [20, 5],
        [40, 5],
        [80, 5],
        [160, 5],
      ]),
    ).toEqual([10, 10, 10, 20, 40, 80, 160, 200]);
    expect(new Pace(4).size).toBe(4);
  });

  it("follows from how long calls take", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const { wire, ask, next } = await crowded();
      for (let id = 0; id < 60; id += 1) void ask(meter("a", `${id}`));
      expect(await next()).toHaveLength(60);
      vi.advanceTimersByTime(150);
      for (let id = 60; id < 120; id += 1) void ask(meter("a", `${id}`));
      expect(await next()).toHaveLength(20);
      expect(wire.calls[2]?.operations[0]?.operation_id).toBe("60");
    } finally {
      vi.useRealTimers();
    }
  });
});

it("everybody is answered or taken out, once, in order, whatever comes in what order", async () => {
  const request = fc.record({
    pools: fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 2 }),
    op: fc.constantFrom("meter", "spawn", "cancel"),
    fate: fc.constantFrom("answered", "answered", "answered", "withdrawn", "atomic"),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 40 }),
      fc.scheduler(),
      async (requests, scheduler) => {
        const busy = new Set<string>();
        const order: string[] = [];
        const coalescer = new Coalescer(
          async (operations: readonly Operation[]) => {
            const pools = new Set(operations.map(({ pool_id }) => String(pool_id)));
            for (const pool of pools) {
              expect(busy.has(pool)).toBe(false);
              busy.add(pool);
            }
            order.push(...operations.map(({ operation_id }) => operation_id));
            await scheduler.schedule(Promise.resolve());
            for (const pool of pools) busy.delete(pool);
            return answersTo(operations);
          },
          { maxOperations: 4, maxInFlight: 2 },
        );
        const outcomes = requests.map(async ({ pools, op, fate }, index) => {
          const operations = pools.map((pool, place) => ({ op, operation_id: `${index}.${place}`, pool_id: pool }));
          const series = new Series();
          const asked = coalescer.request(operations, { atomic: fate === "atomic", series });
          const outcome = asked.then(
            (answers) => answers.map(({ result }) => result.node_id),
            () => "withdrawn",
          );
          if (fate === "withdrawn") {
            await scheduler.schedule(Promise.resolve());
            coalescer.withdraw(series, "withdrawn");
          }
          const ids = operations.map(({ operation_id }) => operation_id);
          expect(await outcome).toEqual(series.isSent ? ids : "withdrawn");
          return series.isSent ? ids : [];
        });
        await scheduler.waitFor(Promise.all(outcomes));
        const sent = (await Promise.all(outcomes)).flat();
        expect([...order].sort()).toEqual([...sent].sort());
        for (const pool of "abcd") {
          const ofPool = (id: string) => requests[Number.parseInt(id, 10)]?.pools[Number(id.split(".")[1])] === pool;
          const index = (id: string) => Number.parseInt(id, 10);
          expect(order.filter(ofPool).map(index)).toEqual(sent.filter(ofPool).map(index));
        }
        await coalescer.idle();
      },
    ),
    { numRuns: 150 },
  );
});
