/**
 * Runs before `npm start` and `npm test`: installs the dependencies where they are missing or older
 * than the lock file. Uses nothing but Node, because it runs when nothing is installed.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const changed = (path) => statSync(new URL(path, root), { throwIfNoEntry: false })?.mtimeMs ?? 0;

if (Number.parseInt(process.versions.node, 10) < 20) {
  console.error(`agent-ledger needs Node.js 20 or newer; this is ${process.version}`);
  process.exit(1);
}

// npm writes that file last, so an interrupted installation is repeated.
if (changed("node_modules/.package-lock.json") < changed("package-lock.json")) {
  console.log("Installing dependencies (npm ci)");
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const { status } = spawnSync(npm[0], [...npm.slice(1), "ci"], { cwd: fileURLToPath(root), stdio: "inherit" });
  process.exit(status ?? 1);
}
