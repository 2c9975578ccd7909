/** `expire`: holds whose lease has passed. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { begin } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
  await ledger.apply([{ op: "open_pool", operation_id: "o", pool_id: "p", channels: { tokens: { total: 1000 } } }]);
});
afterAll(() => ledger.close());

/** A hold that was dispatched and whose lease ends at once. */
async function lapse(name: string): Promise<void> {
  const answers = await ledger.apply([
    {
      op: "spawn",
      operation_id: `${name}/s`,
      pool_id: "p",
      node_id: name,
      label: name,
      budget: { tokens: 30 },
      lease_ms: 1,
    },
    { op: "dispatch", operation_id: `${name}/d`, node_id: name },
  ]);
  expect(answers.map(({ status }) => status)).toEqual(["ok", "ok"]);
}

it("books what has lapsed, once, and says so when there is nothing", async () => {
  expect((await ledger.run("expire")).stdout).toBe("No lease has passed\n");
  await lapse("a");
  expect(await ledger.json("expire", "--pool", "p")).toEqual({
    expired: [{ node_id: "a", charged: { tokens: "30" } }],
  });
  expect(await ledger.json("expire")).toEqual({ expired: [] });
});

it("goes on until it is told to stop, and then ends well", async () => {
  const sweeper = begin(["expire", "--every", "0.1"], ledger.environment);
  await sweeper.until(/Looking every 0.1 s/);
  await lapse("b");
  await sweeper.until(/ {2}b {2}expired, charged 30 tokens\n/);
  await lapse("c");
  await sweeper.until(/ {2}c {2}expired/);
  sweeper.child.kill("SIGINT");
  expect(await sweeper.ended).toMatchObject({ code: 0, stderr: "" });
});
