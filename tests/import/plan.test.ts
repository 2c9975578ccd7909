/** What is planned of a session: order, ids and shape. No ledger is asked. */
import { describe, expect, it } from "vitest";
import type { Booked, Entry } from "../../src/import/claude-code/booked.js";
import type { Call } from "../../src/import/claude-code/calls.js";
import { Claims, type Own } from "../../src/import/claude-code/claims.js";
import { planSession, type Settings } from "../../src/import/claude-code/plan.js";
import type { Session } from "../../src/import/claude-code/session.js";

const NOTHING: Booked = { metered: new Map(), children: new Map(), turns: false };
const QUIET: Settings = { settle: true, undated: new Set(), refused: new Set() };
const LIVE: Settings = { ...QUIET, settle: false };

const call = (key: string, at: number, output = 1): Call => ({
  key,
  at,
  model: "claude-opus-4-6",
  tools: [],
  usage: { input_tokens: 2, output_tokens: output, cache_read_input_tokens: 3, cache_creation_input_tokens: 4 },
});

const session = (fields: Partial<Session>): Session => ({
  id: "s",
  files: 1,
  compactions: [],
  children: [],
  synthetic: 0,
  firstAt: 0,
  problems: [],
  ...fields,
});

const own = (fields: Partial<Session>, booked = NOTHING): Own => new Claims(new Map()).own(session(fields), booked);

const ids = (of: Own, booked = NOTHING, settings = QUIET): unknown[] =>
  planSession(of, booked, settings).steps.map(({ operation }) => operation.operation_id);

const entry = (of: string, output: number): Entry => ({
  of,
  figures: { iterations: 0, input: 9, output, cacheRead: 3, cacheWrite: 4, cacheWrite1h: 0, known: true },
  tools: [],
  corrections: 2,
  touched: false,
});

const CHILD = { id: "1", calls: [call("x:1", 3), call("y:1", 5)], spawnedAt: 1, firstAt: 2, lastAt: 6 };
const WHOLE = { turns: [call("a:1", 0), call("b:1", 4)], compactions: [call("c:1", 5)], children: [CHILD] };

describe("a plan", () => {
  it("goes by time, and derives its ids from the files", () => {
    expect(ids(own(WHOLE))).toEqual([
      "claude-code:session:s:opened",
      "claude-code:a:1",
      "claude-code:agent:x:1",
      "claude-code:agent:x:1:dispatched",
      "claude-code:b:1",
      "claude-code:c:1",
      "claude-code:agent:x:1:settled",
    ]);
    expect(ids(own(WHOLE), NOTHING, LIVE)).not.toContain("claude-code:agent:x:1:settled");
    expect(planSession(own(WHOLE), NOTHING, QUIET), "two imports plan the same").toEqual(
      planSession(own(WHOLE), NOTHING, QUIET),
    );
  });

  it("states the whole prompt as input, and no dollars", () => {
    const [, first] = planSession(own({ turns: [call("a:1", 0)] }), NOTHING, QUIET).steps;
    expect(first?.operation).toMatchObject({
      effective_at: "1970-01-01T00:00:00.000Z",
      spend: {
        iterations: 0,
        input_tokens: 9,
        output_tokens: 1,
        cache_read_tokens: 3,
        cache_write_tokens: 4,
        tokens_known: true,
        usd_known: false,
      },
    });
  });

  it("is the difference to what is booked", () => {
    const metered = new Map([
      ["claude-code:a:1", entry("claude-code:a:1", 1)],
      ["claude-code:b:1", entry("claude-code:b:1", 0)],
    ]);
    const children = new Map([["s:1", { spawnedBy: "spawned before", dispatched: false }]]);
    const booked: Booked = { capped: new Set(), metered, children, turns: true };
    expect(ids(own(WHOLE, booked), booked)).toEqual([
      "spawned before:dispatched",
      "claude-code:b:1:corrected:3",
      "claude-code:c:1",
      "spawned before:settled",
    ]);
  });

  it("is empty where nothing is to be booked", () => {
    expect(ids(own({ turns: [] }))).toEqual([]);
    expect(ids(own({}))).toEqual([]);
  });

  it("has a row for a driver whose file is missing, until something of its turns is known", () => {
    const orphan = { children: [CHILD] };
    expect(ids(own(orphan), NOTHING, LIVE)).toContain("claude-code:session:s:unknown-driver");
    const booked = { ...NOTHING, capped: new Set<string>(), turns: true };
    expect(ids(own(orphan), booked, LIVE)).not.toContain("claude-code:session:s:unknown-driver");
  });

  it("meters the calls of a child that was refused", () => {
    const refused = { ...QUIET, refused: new Set(["claude-code:agent:x:1"]) };
    const { steps } = planSession(own({ turns: [], children: [CHILD] }), NOTHING, refused);
    expect(steps.map(({ operation: { op, detail } }) => [op, detail])).toEqual([
      ["open_pool", undefined],
      ["meter", { agent: "1" }],
      ["meter", { agent: "1" }],
    ]);
  });

  it("leaves out times that the server does not take, and keeps the order", () => {
    const undated = { ...QUIET, undated: new Set(["claude-code:a:1"]) };
    const { steps } = planSession(own({ turns: [call("b:1", 9), call("a:1", 1)] }), NOTHING, undated);
    expect(steps.map(({ operation }) => [operation.operation_id, "effective_at" in operation])).toEqual([
      ["claude-code:session:s:opened", true],
      ["claude-code:a:1", false],
      ["claude-code:b:1", true],
    ]);
  });
});
