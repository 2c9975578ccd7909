/** A channel may be called what every object has a member of: its export is proven all the same, and a forged one is not. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLedger } from "../../src/ledger/ledger.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books } from "../sql/books.js";
import { meter, openRun, settle, spawn, spawnDriver } from "../sql/builders.js";
import { exported, rulesBroken, signed, verified } from "./exporting.js";

const NAMES = ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"];

/** The same of each, also of `__proto__`. */
const each = <T>(value: T): Record<string, T> => Object.fromEntries(NAMES.map((name) => [name, value]));

let database: TestDatabase;
let lines: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  const books = await Books.open(await database.connect());
  const resources = each({ amount: "2" });
  await books.ok(
    openRun("run", { usd: "9", tokens: 900, ...each("50") }),
    spawn("run", "held", { tokens: 10, usd: "1", ...each("7") }),
    spawn("run", "ended", { tokens: 10, usd: "1", ...each("5") }),
    spawnDriver("run", "driver", { tokens: 10, usd: "1", ...each("5") }),
    { op: "dispatch", node_id: "ended" },
    settle(
      "ended",
      { resources },
      { lines: [{ iterations: 0, input_tokens: 0, output_tokens: 0, usd: "0", resources }] },
    ),
    meter("driver", { resources }),
    { op: "settle", node_id: "driver", outcome: "done" },
    openRun("bare", {}),
    // It holds nothing of those names.
    spawn("bare", "plain", {}),
    meter("bare", { resources }),
  );
  expect(await books.audit()).toEqual([]);
  const ledger = createLedger({ connectionString: database.url, tenantId: books.tenantId });
  lines = await exported(ledger);
  await ledger.close();
});

afterAll(async () => {
  await database?.drop();
});

it("is proven, with a sum for each", () => {
  expect(verified(lines)).toMatchObject({ proven: true, findings: [] });
  const { sums } = JSON.parse(lines.at(-1) ?? "{}");
  expect(Object.keys(sums).sort()).toEqual(["tokens", "usd", ...NAMES].sort());
});

it.each(NAMES)("is not proven with another hold, resource or sum of %s", (name) => {
  const forged = (pattern: RegExp, digit: string): string[] => {
    const at = lines.findIndex((line) => pattern.test(line));
    expect(at, "there is such a line").toBeGreaterThan(0);
    return lines.with(at, lines[at]?.replace(pattern, `$1${digit}`) ?? "");
  };
  const hold = forged(new RegExp(`("node_id":"held".*"hold":.*"${name}": ?")7`), "6");
  expect(rulesBroken(signed(hold))).toEqual(["nodes-differ-from-events", "reserved-differs-from-open-holds"]);
  const resource = forged(new RegExp(`("pool_id":"bare".*"${name}": ?\\{"amount": ?")2`), "1");
  expect(rulesBroken(signed(resource))).toEqual(["usage-differs-from-posting"]);
  const sum = forged(new RegExp(`("type":"footer".*"${name}":\\{"funded":")5`), "6");
  expect(rulesBroken(sum)).toEqual(["sums-differ"]);
});

it("says which of them is malformed", () => {
  const broken = lines.map((line) => line.replace(/("node_id":"held".*"__proto__": ?)"7"/, "$17"));
  const [finding] = verified(broken).findings;
  expect(finding).toMatchObject({ rule: "malformed", detail: expect.stringMatching(/^hold\.__proto__ /) });
});
