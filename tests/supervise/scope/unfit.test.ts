/** What is spawned and is no worker, or answers what nobody can book: the reason says what to do. */
import { expect, it } from "vitest";
import type { Spawnable } from "../../../src/supervise/agent.js";
import { streamingWorker, worker } from "../../../src/supervise/executors.js";
import { useClients } from "../../ledger/client.js";
import { openRun } from "./run.js";

const clients = useClients();
const asked = { label: "w", budget: { tokens: 100, iterations: 1, usd: "0.1" } };

it("what is no worker is refused before anything is reserved", async () => {
  const { scope } = await openRun(await clients.open());
  const act = async () => undefined;
  const neither = "must be a worker (an object with a function executor) or driverChild(agent)";
  const wrong: [unknown, string][] = [
    [{ name: "bare", act }, "is an agent, which cannot be spawned as it is: wrap it by driverChild(agent)"],
    [{ name: "bare", driver: { name: "x" } }, neither],
    [act, neither],
    [{}, neither],
    ["worker", neither],
    [undefined, neither],
  ];
  for (const [agent, rule] of wrong) {
    await expect(scope.spawn(agent as Spawnable, 1, asked)).rejects.toMatchObject({
      code: "LG001",
      message: `agent: ${rule}`,
      detail: { path: "agent", rule },
    });
  }
  expect(await scope.budget()).toMatchObject({ tokensLeft: 1_000, usdLeft: "1" });
  expect(await scope.children()).toEqual([]);
});

it("a streaming worker whose function is no generator is down, and told what to write", async () => {
  const { scope } = await openRun(await clients.open());
  const plain = [() => ({ out: 1 }), async () => Promise.reject(new Error("nobody hears it")), () => undefined];
  for (const run of plain) {
    await scope.spawn(streamingWorker("s", run as never), 1, asked);
    expect(await scope.next()).toMatchObject({
      kind: "down",
      reason: expect.stringMatching(/^the function of the streaming worker s is no generator: write async function\*/),
    });
  }
});

it("an output of more than 64 MiB ends its worker down with the rule; what it spent stays known", async () => {
  const ledger = await clients.open();
  const { scope } = await openRun(ledger);
  const large = "x".repeat(64 * 1_024 * 1_024 - 1);
  const rule = `must have at most 67108864 bytes of JSON, not 67108865: keep it elsewhere, and give what names it`;
  await expect(ledger.putArtifact(large)).rejects.toMatchObject({ code: "LG001", detail: { path: "value", rule } });
  const spent = { input_tokens: 7, output_tokens: 1, usd: "0.05" };
  await scope.spawn(
    worker("large", () => ({ out: large, verdict: { valid: true }, spent })),
    1,
    asked,
  );
  expect(await scope.next()).toMatchObject({
    kind: "down",
    reason: `value ${rule}`,
    spent: { input_tokens: 7, output_tokens: 1, usd: "0.05", tokens_known: true, usd_known: true },
  });
});
