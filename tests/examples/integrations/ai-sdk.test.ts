/** A program of the AI SDK as it was, and with three lines added: what it prints, what is seen of it live, and how it ends at its cap. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLedger } from "../../../src/index.js";
import { begin, type Outcome } from "../../cli/command-line.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../../setup/database.js";
import { responsesUsage } from "../../wire/openai-responses.js";
import { type Received, type Reply, WireServer } from "../../wire/server.js";
import { readmeBlocks } from "../readme.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const CITIES = ["Lisbon", "Oslo", "Quito", "Hanoi", "Accra"];

let database: TestDatabase;
let server: WireServer;
let environment: Record<string, string>;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query("select ledger.create_tenant('local')");
  server = await WireServer.start(answer);
  environment = {
    DATABASE_URL: await createLoginRole(database, { memberOf: "ledger_writer", tenantId: "local" }),
    OPENAI_BASE_URL: server.baseURL,
    OPENAI_API_KEY: "key",
  };
});
afterAll(async () => {
  await server?.stop();
  await database?.drop();
});

/** Looks at the weather first, then answers: 1,200 tokens in and 550 out each time. */
function answer({ body }: Received): Reply {
  const usage = responsesUsage(1_200, 550);
  const city = /wear in (\w+)/.exec(JSON.stringify(body))?.[1];
  const hasLooked = JSON.stringify(body).includes("18 degrees");
  const looks = { toolCalls: [{ name: "weather", arguments: { city } }], usage };
  return { says: hasLooked ? { text: "A light jacket.", usage } : looks };
}

/** Runs a program as a newcomer would. */
async function run(program: string): Promise<Outcome> {
  const args = ["--import", "tsx", fileURLToPath(new URL(program, import.meta.url))];
  const env = { ...process.env, ...environment, NO_COLOR: "1" };
  const ended = promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  return ended.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: Outcome) => ({ code, stdout, stderr }),
  );
}

const linesOf = (program: string): string[] =>
  readFileSync(fileURLToPath(new URL(program, import.meta.url)), "utf8").split("\n");

it("is the plain program with three lines added, those of the README", () => {
  const plain = linesOf("ai-sdk-plain.ts");
  const metered = linesOf("ai-sdk.ts");
  const added: string[] = [];
  for (const line of metered) {
    if (line === plain[0]) plain.shift();
    else added.push(line);
  }
  expect(plain).toEqual([]);
  expect(added).toHaveLength(3);
  const shown = added.join("\n").replace("../../../src/index.js", "agent-ledger");
  expect(readmeBlocks("typescript")).toContain(`${shown}\n`);
});

it("ends by itself where nothing meters it", async () => {
  const printed = CITIES.map((city) => `${city}: A light jacket.\n`).join("");
  expect(await run("ai-sdk-plain.ts")).toEqual({ code: 0, stdout: printed, stderr: "" });
  expect(server.requests).toHaveLength(10);
});

it("shows its spend as it goes, and stops at its cap", async () => {
  const ledger = createLedger({ connectionString: environment.DATABASE_URL ?? "", tenantId: "local" });
  const priced = { provider: "openai", model: "gpt-5-mini" };
  await ledger.putPrices("2026", [
    { ...priced, token_class: "input", usd_per_million: "0.25" },
    { ...priced, token_class: "output", usd_per_million: "2" },
  ]);
  await ledger.usePrices("2026");
  // There is something to follow once the pool is open; the program finds it.
  await ledger.openPool({ usd: "0.02" }, { poolId: "outfits" });

  const tail = begin(["tail", "--pool", "outfits", "--tenant", "local", "--json", "-n", "all"], environment);
  await tail.until(/"opened"/);
  // The provider keeps the program waiting at its third city until its spend on the first two is seen.
  const isSeen = tail.until(/(?:"kind":"settled"[\s\S]*){4}/);
  const before = server.requests.length;
  server.follow((received) => ({ ...answer(received), ...(received.number === before + 4 && { after: isSeen }) }));
  const { code, stdout, stderr } = await run("ai-sdk.ts");

  // 0.0014 dollars a call; one more is not begun where it could cost more than is left.
  expect(code).toBe(1);
  expect(stdout).toBe(
    CITIES.slice(0, 4)
      .map((city) => `${city}: A light jacket.\n`)
      .join(""),
  );
  expect(stderr).toContain("code: 'budget-exhausted'");
  const [, shortfall = ""] = /shortfall: \[ \{(.*)\} \]/.exec(stderr) ?? [];
  expect(
    shortfall
      .split(", ")
      .map((pair) => pair.trim())
      .sort(),
  ).toEqual(["channel: 'usd'", "free: '0.0074'", expect.stringMatching(/^requested: '0\.008\d+'$/)]);
  expect(server.requests).toHaveLength(before + 9);
  await tail.until(/(?:"kind":"settled"[\s\S]*){9}/);
  tail.child.kill("SIGINT");
  const rows = (await tail.ended).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const spent = rows
    .filter(({ kind }) => kind === "settled")
    .map((row) => [row.model, row.input_tokens, row.usd, row.usd_known]);
  expect(spent).toEqual(Array.from({ length: 9 }, () => ["gpt-5-mini", "1200", "0.0014", false]));
  expect(await ledger.pool("outfits").readout()).toMatchObject({ usdLeft: "0.0074" });
  await ledger.close();
  expect((await database.pool.query("select * from ledger.audit")).rows).toEqual([]);
});
