/**
 * One session holds an operation uncommitted; another submits one that shares no balance with it, and has its answer
 * before the first has ended.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Operation, withId } from "./operations.js";
import { VERBS, type Verb } from "./pairs.js";
import { leafFor, operationOn, prepare } from "./places.js";
import { openSession, type Session } from "./sessions.js";

/** What a pool does about its own children and its own inference. */
const OWN: readonly Verb[] = ["spawn", "settle", "meter"];

/** Two pools, where they stand, and what is done on the first and on the second. */
interface Neighbours {
  readonly where: string;
  readonly pools: readonly [string, string];
  readonly verbs: readonly [readonly Verb[], readonly Verb[]];
  readonly setup: readonly Operation[];
}

const CAPS = { tokens: { total: 300 }, usd: { total: "300" } };
const driver = (node_id: string): Operation => ({
  ...{ op: "spawn", pool_id: "root", node_id, label: node_id, driver: true },
  budget: { tokens: 100, usd: "100" },
});
const TREE = [{ op: "open_pool", pool_id: "root", channels: CAPS }, driver("left"), driver("right")];

const NEIGHBOURS: readonly Neighbours[] = [
  {
    where: "two pools without a parent",
    pools: ["left", "right"],
    verbs: [VERBS, VERBS],
    setup: ["left", "right"].map((pool_id) => ({ op: "open_pool", pool_id, channels: CAPS })),
  },
  { where: "two children that declare everything", pools: ["left", "right"], verbs: [OWN, OWN], setup: TREE },
  {
    where: "a parent, and a child that declares everything",
    pools: ["root", "left"],
    verbs: [["spawn", "meter", "fund"], OWN],
    setup: TREE,
  },
  {
    where: "a child that declares everything, and its parent",
    pools: ["left", "root"],
    verbs: [OWN, ["spawn", "meter", "fund"]],
    setup: TREE,
  },
];

function plan(
  neighbours: Neighbours,
  first: Verb,
  second: Verb,
): { setup: Operation[]; first: Operation; second: Operation } {
  const [left, right] = neighbours.pools;
  return {
    setup: [...neighbours.setup, ...leafFor(left, [first]), ...leafFor(right, [second])].map(withId),
    first: withId(operationOn(first, left, 20)),
    second: withId(operationOn(second, right, 20)),
  };
}

let database: TestDatabase;
let holder: Session;
let submitter: Session;

beforeAll(async () => {
  database = await createTestDatabase();
  [holder, submitter] = await Promise.all([openSession(database), openSession(database)]);
});
afterAll(() => database?.drop());

describe.each(NEIGHBOURS)("$where", (neighbours) => {
  const pairs = neighbours.verbs[0].flatMap((first) =>
    neighbours.verbs[1].map((second): [Verb, Verb] => [first, second]),
  );

  it.each(pairs)("%s is held, %s does not wait", async (first, second) => {
    const tenantId = `${neighbours.where}: ${first}, ${second}`;
    const planned = plan(neighbours, first, second);
    await prepare(submitter.client, tenantId, planned.setup);
    await holder.begin();
    expect(await holder.apply(tenantId, [planned.first])).toMatchObject([{ status: "ok" }]);
    expect(await submitter.submit(tenantId, [planned.second])).toMatchObject([{ status: "ok", code: null }]);
    await holder.end("commit");
  });
});

it("left sound books everywhere", async () => {
  expect((await submitter.client.query("select tenant_id, pool_id, rule, detail from ledger.audit")).rows).toEqual([]);
});
