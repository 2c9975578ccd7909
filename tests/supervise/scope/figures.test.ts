/** What leaves say of their spend: figures that no row can hold, channels told twice or not at all, work that broke off. */
import { expect, it } from "vitest";
import type { UsageEvent } from "../../../src/ledger/spend.js";
import type { Worker } from "../../../src/supervise/agent.js";
import { streamingWorker, worker } from "../../../src/supervise/executors.js";
import { useClients } from "../../ledger/client.js";
import { openRun } from "./run.js";

const clients = useClients();

const ROOM = { label: "w", budget: { tokens: 100, iterations: 2, usd: "0.1" } };
const USED = { input_tokens: 10, output_tokens: 5, usd: "0.01" };
const EVENTS: readonly UsageEvent[] = [
  { type: "tokens", input: 60, output: 30 },
  { type: "cost", usd: "0.05" },
  { type: "resource", name: "gpu_seconds", amount: 7 },
];

/** Tells `events`, then ends with `spent`. */
function telling(events: readonly UsageEvent[], spent: object): Worker {
  const execute = async function* (): AsyncGenerator<UsageEvent> {
    yield* events;
  };
  const resultArtifact = () => ({ out: "made", verdict: { valid: true }, spent });
  return {
    name: "telling",
    runtime: "test",
    executor: () => ({ runtime: "test", teardown: () => {}, execute, resultArtifact }),
  };
}

it.each<[string, object, object]>([
  ["ms of a clock", { ...USED, ms: 12.5 }, { ms: 12 }],
  ["dollars of more decimals than a row has", { ...USED, usd: "0.0033333333336666" }, { usd: "0.003333333334" }],
  ["dollars halfway between two that a row has", { ...USED, usd: "0.0000000000025" }, { usd: "0.000000000002" }],
  [
    "a fraction of a token",
    { ...USED, input_tokens: 10.5 },
    { input_tokens: 0, output_tokens: 5, tokens_known: false },
  ],
  ["a text that is no count", { ...USED, output_tokens: "many" }, { input_tokens: 10, tokens_known: false }],
  ["more tokens than a row can count", { ...USED, input_tokens: 1e18 }, { output_tokens: 5, tokens_known: false }],
  ["a fraction of a round", { ...USED, iterations: 1.5 }, { iterations: 1, tokens_known: true }],
  ["negative dollars", { ...USED, usd: -1 }, { usd: "0.1", usd_known: false, tokens_known: true }],
  [
    "more cached than there was",
    { ...USED, cache_read_tokens: 11 },
    { cache_read_tokens: 0, input_tokens: 10, tokens_known: false },
  ],
  [
    "more reasoning than output",
    { ...USED, cache_read_tokens: 4, reasoning_tokens: 6 },
    { cache_read_tokens: 4, reasoning_tokens: 0, output_tokens: 5, tokens_known: false },
  ],
])("finished work stays done with %s", async (_name, spent, booked) => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  await scope.spawn(
    worker("w", () => ({ out: "made", verdict: { valid: true }, spent })),
    null,
    ROOM,
  );
  const settled = await scope.next();
  expect(settled).toMatchObject({ kind: "done", out: "made", verdict: { valid: true }, spent: booked });
  // A receipt stays one whatever else is unfit.
  if (!("usd_known" in booked)) expect(settled).toMatchObject({ spent: { usd_known: true } });
});

it("notes that no row can hold are cut, and nothing else of the work", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  const notes = "\u0001".repeat(15_999) + "\u{1f600}".repeat(50_000);
  for (const text of [notes, "short\0, with half a \ud83d"]) {
    await scope.spawn(
      worker("w", () => ({ out: 1, verdict: { valid: true, score: 2, notes: text }, spent: USED })),
      null,
      ROOM,
    );
  }
  const verdicts = [await scope.next(), await scope.next()].map(
    (settled) => settled?.kind === "done" && settled.verdict,
  );
  expect(verdicts).toContainEqual({ valid: true, score: 2, notes: `${"\u0001".repeat(15_999)}\ufffd` });
  expect(verdicts).toContainEqual({ valid: true, score: 2, notes: "short, with half a \ufffd" });
  expect(await scope.budget()).toMatchObject({ tokensLeft: 970, tokensKnown: true, usdLeft: "0.98", usdKnown: true });
});

it("a channel is stated where its figure is, each resource for itself; else the events' counts", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  const events = { input_tokens: 60, output_tokens: 30 };
  const cases: [object, object][] = [
    // What the events told is the least that it can have been.
    [
      { tokens_known: false, usd_known: false },
      { ...events, usd: "0.1", tokens_known: false, usd_known: false },
    ],
    [
      { input_tokens: 0.5, usd: "some" },
      { ...events, usd: "0.1", tokens_known: false, usd_known: false },
    ],
    [{ cache_read_tokens: 3 }, { ...events, usd: "0.05", tokens_known: true, usd_known: true }],
    [
      { usd: "0.07", usd_known: false },
      { ...events, usd: "0.07", tokens_known: true, usd_known: false },
    ],
    [{ resources: { licences: { amount: 1 } } }, { usd: "0.05", usd_known: true }],
  ];
  for (const [spent, booked] of cases) {
    await scope.spawn(telling(EVENTS, spent), null, ROOM);
    const gpu = { gpu_seconds: { amount: "7" } };
    const resources = "resources" in spent ? { ...gpu, licences: { amount: "1" } } : gpu;
    expect(await scope.next()).toMatchObject({ kind: "done", spent: { ...booked, resources } });
  }
});

it("dollars of work that broke off are charged its ceiling, or what it reported where that is more", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger, { tokens: 10_000, iterations: 100, usd: "1" });
  const told = async (usd: string, budget: object): Promise<unknown> => {
    const breaking = streamingWorker("w", async function* () {
      yield { type: "cost", usd } satisfies UsageEvent;
      throw new Error("connection reset");
    });
    const spawned = await scope.spawn(breaking, null, { ...ROOM, budget: { ...ROOM.budget, ...budget } });
    const settled = await scope.next();
    const gaps = ledger.db.selectFrom("spend_gaps").select(["gap", "channels"]);
    const nodeId = spawned.ok ? spawned.handle.nodeId : "";
    return [settled?.spent.usd, settled?.spent.usd_known, await gaps.where("node_id", "=", nodeId).execute()];
  };
  const gap = (...channels: string[]) => [{ gap: "unreported", channels }];
  expect(await told("0.0001", {})).toEqual(["0.1", false, gap("tokens", "usd")]);
  expect(await told("0.10", {})).toEqual(["0.1", false, gap("tokens", "usd")]);
  expect(await told("0.3", {})).toEqual(["0.3", false, gap("tokens")]);
  expect(await scope.budget()).toMatchObject({ usdLeft: "0.5", usdKnown: false });
});

it("a resource with the name of a plain channel ends the stream, and what was told before stays", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger, { tokens: 1_000, iterations: 10 });
  const misnamed: UsageEvent[] = [...EVENTS, { type: "resource", name: "usd", amount: 1 }];
  await scope.spawn(telling(misnamed, {}), null, { label: "w", budget: { tokens: 100, iterations: 1 } });
  expect(await scope.next()).toMatchObject({
    kind: "down",
    reason: "event.name: is no resource: tokens, iterations and usd have events of their own",
    infra: false,
    spent: { input_tokens: 60, output_tokens: 30, usd: "0.05", resources: { gpu_seconds: { amount: "7" } } },
  });
});

it("a driver that meters by hand has its figures rounded the same way", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  const detail = { kind: "driver-inference", driver: "d", turn: 0, toolCalls: [] } as const;
  const spend = { ...USED, usd: "0.0033333333333333", ms: 12.7 };
  expect(await scope.meter(spend, detail)).toMatchObject({ usd: "receipt" });
  expect(await scope.meter({ ...USED, input_tokens: 0.5 }, { ...detail, turn: 1 })).toMatchObject({ usd: "receipt" });
  const journal = ledger.db.selectFrom("journal").select(["usd", "ms", "input_tokens", "tokens_known"]);
  expect(await journal.where("kind", "=", "metered").orderBy("seq").execute()).toEqual([
    { usd: "0.003333333333", ms: "13", input_tokens: "10", tokens_known: true },
    { usd: "0.01", ms: "0", input_tokens: "0", tokens_known: false },
  ]);
  await expect(scope.meter({ usdd: 1 } as never, { ...detail, turn: 2 })).rejects.toMatchObject({ code: "LG001" });
});
