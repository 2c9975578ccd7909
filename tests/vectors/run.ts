/**
 * Plays vectors against a database from the shell: `tsx tests/vectors/run.ts <database-url> [--apply] [--seed=n] [ids…]`.
 */
import { connect } from "../../src/database/connect.js";
import { regroup } from "./regroup.js";
import { ledgerScenarios } from "./scenarios.js";
import { createSqlEngine } from "./sql-engine.js";
import { runScenario } from "./steps.js";

const [connectionString = "", ...rest] = process.argv.slice(2);
const ids = rest.filter((word) => !word.startsWith("--"));
const entryPoint = rest.includes("--apply") ? "apply" : "submit";
const seed = rest.find((word) => word.startsWith("--seed="))?.slice("--seed=".length);
const chosen = ledgerScenarios().filter(({ id }) => ids.length === 0 || ids.includes(id));

const client = await connect(connectionString);
let failures = 0;
for (const scenario of chosen) {
  try {
    const engine = await createSqlEngine(client, entryPoint);
    await runScenario(seed === undefined ? scenario : regroup(scenario, Number(seed)), engine);
    console.log(`ok   ${scenario.id}  ${scenario.title}`);
  } catch (error) {
    failures += 1;
    const { code, detail, where } = error as { code?: string; detail?: string; where?: string };
    const facts = [code, detail, where].filter((fact) => fact !== undefined).join(" | ");
    console.log(`FAIL ${scenario.id}  ${error instanceof Error ? error.message : String(error)} ${facts}`);
  }
}
await client.end();
console.log(`${chosen.length - failures} of ${chosen.length} hold`);
process.exitCode = failures === 0 ? 0 : 1;
