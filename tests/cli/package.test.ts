/** What `npm pack` makes, installed into an empty folder: the command line and the library, from JavaScript and TypeScript. */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const execute = promisify(execFile);

let folder: string;
let app: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-package-"));
  // The server may run as another account, which must be able to enter.
  await chmod(folder, 0o755);
  app = join(folder, "app");
  await mkdir(app);
  await writeFile(
    join(app, "package.json"),
    JSON.stringify({ name: "app", version: "1.0.0", private: true, type: "module" }),
  );
  // With its scripts: packing builds.
  await inside(ROOT, "npm", "pack", "--pack-destination", folder);
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  await inside(app, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, String(tarball)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a program in a folder, without what this test run was told, and answers what it printed. */
async function inside(cwd: string, program: string, ...args: string[]): Promise<string> {
  // Settings of the npm that runs the tests are not those of the npm that is run here.
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_|DATABASE_URL$|AGENT_LEDGER_|NODE_OPTIONS$)/i.test(name),
  );
  try {
    return (await execute(program, args, { cwd, env: Object.fromEntries(own), maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout}\n${stderr}`);
  }
}

describe("the package", () => {
  it("holds what it needs and nothing to develop with", async () => {
    const installed = join(app, "node_modules/agent-ledger");
    expect((await readdir(installed)).toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist",
      "migrations",
      "package.json",
      "sql",
      "src",
    ]);
    expect((await readdir(join(installed, "migrations"))).toSorted()).toEqual(["committed", "gmrc.json5"]);
    expect(await readdir(join(installed, "src"))).toEqual(["sample"]);
    const lock = JSON.parse(await readFile(join(app, "node_modules/.package-lock.json"), "utf8"));
    const names = Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, ""));
    for (const tool of ["tsx", "vitest", "typescript", "testcontainers", "fast-check", "@biomejs/biome"]) {
      expect(names).not.toContain(tool);
    }
  });

  it("runs by npx: start, import, and the verbs that read", async () => {
    const started = JSON.parse(await inside(app, "npx", "agent-ledger", "start", "--json"));
    expect(started).toMatchObject({ tenant_id: "local", import: { totals: { calls: 547, new: 547 } }, audit: [] });
    const sample = join(app, "node_modules/agent-ledger/src/sample/claude-code");
    expect(await inside(app, "npx", "agent-ledger", "import", "claude-code", sample)).toContain("Nothing was new");
    expect(JSON.parse(await inside(app, "npx", "agent-ledger", "audit", "--json"))).toEqual([]);
  });

  it("is a library for JavaScript", async () => {
    await writeFile(
      join(app, "use.js"),
      `import { createLedger, LedgerError } from "agent-ledger";
       const ledger = createLedger({ tenantId: "local" });
       const pool = await ledger.openPool({ tokens: 1000 }, { poolId: "p" });
       const held = await pool.reserve({ tokens: 400 }, { label: "worker" });
       const refused = await pool.reserve({ tokens: 601 }, { label: "glutton" });
       const channels = await ledger.db.selectFrom("channels").select(["free", "reserved"])
         .where("tenant_id", "=", "local").where("pool_id", "=", "p").where("channel", "=", "tokens").execute();
       const error = await ledger.pool("nowhere").close().catch((error) => error);
       await ledger.close();
       console.log(JSON.stringify({ held: held.ok, refused: refused.code, channels, error: error instanceof LedgerError && error.code }));`,
    );
    expect(JSON.parse(await inside(app, process.execPath, "use.js"))).toEqual({
      held: true,
      refused: "budget-exhausted",
      channels: [{ free: "600", reserved: "400" }],
      error: "LG002",
    });
  });

  it.each([
    ["nodenext", "nodenext"],
    ["preserve", "bundler"],
  ])("has types for TypeScript with module %s, resolved as %s", async (module, moduleResolution) => {
    const project = join(app, moduleResolution);
    await mkdir(project);
    const compilerOptions = { target: "es2023", module, moduleResolution, strict: true, noEmit: true, types: [] };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions }));
    await writeFile(
      join(project, "use.ts"),
      `import { type Answer, createLedger, type Ledger, LedgerError } from "agent-ledger";
       const ledger: Ledger = createLedger({ tenantId: "local" });
       export const answers: Answer[] = await ledger.apply([{ op: "expire", operation_id: "e" }]);
       export const rows: { pool_id: string; free: string | null }[] = await ledger.db
         .selectFrom("channels").select(["pool_id", "free"]).execute();
       export const codeOf = (error: unknown): string => (error instanceof LedgerError ? error.code : "");
       // @ts-expect-error there is no such view
       ledger.db.selectFrom("nothing");
       // @ts-expect-error a ledger is somebody's
       createLedger({});`,
    );
    expect(await inside(project, process.execPath, TSC, "-p", ".")).toBe("");
  });
});
