/**
 * Compiles `src` to `dist`, which is what a package holds, after `npm ci` and before a package is made. Whoever runs the old one meanwhile
 * finds either it or the new one. Where the compiler is not installed (`npm ci --omit=dev`), a `dist` that is there stays.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const dist = path("dist");
const compiler = path("node_modules/typescript/bin/tsc");

if (!existsSync(compiler)) {
  if (existsSync(dist)) process.exit(0);
  console.error("agent-ledger: nothing to build with: npm ci, without --omit=dev");
  process.exit(1);
}

// Beside dist for the renaming, and where nothing looks at what an interrupted build leaves behind.
const fresh = path(`node_modules/.agent-ledger-${process.pid}`);
const former = `${fresh}-former`;
const options = ["-p", path("src/tsconfig.json"), "--outDir", fresh];
const { status } = spawnSync(process.execPath, [compiler, ...options], { stdio: "inherit" });
if (status === 0) {
  chmodSync(`${fresh}/cli/main.js`, 0o755);
  if (existsSync(dist)) renameSync(dist, former);
  renameSync(fresh, dist);
}
for (const leftover of [fresh, former]) rmSync(leftover, { recursive: true, force: true });
process.exitCode = status ?? 1;
