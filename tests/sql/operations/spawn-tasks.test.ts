/** What a key stands for where spawns state their task: the task alone. */
import { describe, expect, it } from "vitest";
import { WAYS } from "../books.js";
import { openPool, settle, spawn } from "../builders.js";
import { useLedger } from "../ledger.js";

const ledger = useLedger();
const TASK = `sha256:${"0a".repeat(32)}`;
const OTHER = `sha256:${"0b".repeat(32)}`;
const asked = (change = {}) => ({
  op: "spawn",
  pool_id: "p",
  label: "l",
  key: "k",
  task_ref: TASK,
  budget: { tokens: 2 },
  ...change,
});

describe.each(WAYS)("a spawn that states its task %s", (way) => {
  async function openBooks() {
    const books = await ledger.open(way);
    await books.ok(openPool("p", { tokens: 100 }));
    return books;
  }

  it("finds the child that did it, under whatever label and budget, and reserves nothing", async () => {
    const books = await openBooks();
    await books.ok(asked(), settle("p:s0", { input_tokens: 1 }));
    const again = asked({ label: "other", budget: { tokens: 50 } });
    expect(await books.ok(again)).toEqual({ pool_id: "p", seq: null, node_id: "p:s0", existing: true });
    expect(await books.balance("p", "tokens")).toEqual(["99", "0", "1"]);
  });

  it("is a duplicate while a child is at it, with whatever budget", async () => {
    const books = await openBooks();
    await books.ok(asked());
    await books.refused("duplicate-key", asked({ budget: { tokens: 50 } }));
  });

  it.each([
    ["down", settle("p:s0", {}, { outcome: "down" })],
    ["cancelled", { op: "cancel", node_id: "p:s0", reason: "r" }],
  ])("is tried again with more room after it ended as %s", async (_status, ending) => {
    const books = await openBooks();
    await books.ok(asked(), ending);
    expect(await books.ok(asked({ budget: { tokens: 60 } }))).toMatchObject({ node_id: "p:s1" });
    expect(await books.balance("p", "tokens")).toEqual(["40", "60", "0"]);
    expect(await books.node("p:s0")).toMatchObject({ task_ref: TASK, superseded: true, terminal_seq: "3" });
    expect(await books.node("p:s1")).toMatchObject({ task_ref: TASK, superseded: false, terminal_seq: null });
  });

  it("conflicts with another task, and with none, however the other one ended", async () => {
    const books = await openBooks();
    const none = asked({ task_ref: undefined });
    await books.ok(asked(), none.key === "k" ? { ...none, key: "bare" } : none);
    for (const ending of [[], [settle("p:s0", {}, { outcome: "down" }), settle("p:s1")]]) {
      if (ending.length > 0) await books.ok(...ending);
      for (const other of [asked({ task_ref: OTHER }), none, asked({ key: "bare" })]) {
        expect(await books.refused("key-conflict", other)).toEqual({ pool_id: "p", seq: null });
      }
    }
  });

  it("keeps the task without a key too, which makes nothing of it", async () => {
    const books = await openBooks();
    const bare = (nodeId: string) => spawn("p", nodeId, { tokens: 1 }, { task_ref: TASK });
    await books.ok(bare("a"), bare("b"), spawn("p", "c", { tokens: 1 }));
    const tasks = await Promise.all(["a", "b", "c"].map((id) => books.node(id)));
    expect(tasks.map(({ task_ref }) => task_ref)).toEqual([TASK, TASK, null]);
  });

  it.each(["", "0a", `sha256:${"0A".repeat(32)}`, `${TASK}0`, `${TASK}\n`, 5, null])(
    "takes no %j",
    async (task_ref) => {
      const books = await openBooks();
      expect(await books.failed("LG001", asked({ task_ref }))).toBe("task_ref");
    },
  );
});

it("is kept in a batch of spawns alone, as apart", async () => {
  const books = await ledger.open();
  await books.ok(openPool("p", { tokens: 100 }));
  const answers = await books.apply([
    spawn("p", "a", { tokens: 1 }, { task_ref: TASK }),
    spawn("p", "b", { tokens: 1 }, { task_ref: OTHER, key: "k" }),
    spawn("p", "c", { tokens: 1 }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
  const rows = await books.rows(
    "select task_ref from ledger.nodes where tenant_id = $1 and parent_node_id = 'p' order by node_id",
  );
  expect(rows.map(({ task_ref }) => task_ref)).toEqual([TASK, OTHER, null]);
});
