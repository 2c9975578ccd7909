import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { installedBinaries } from "../src/database/binaries.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * What depends on the database alone, and so must hold on every release supported. The long ones run on the oldest release only where
 * `ALL_RELEASES` asks for it (`npm run test:concurrency`, `test:stress`, `test:soak`).
 */
const LONG_SUITES = ["concurrency", "properties", "faults"];
const DATABASE_SUITES = ["sql", "vectors", "setup", ...(process.env.ALL_RELEASES ? LONG_SUITES : [])];

/** The release comes with the machine or not at all; without it one skipped test stands for the suites. */
const oldest = (await installedBinaries(15))
  ? DATABASE_SUITES.map((suite) => `tests/${suite}/**/*.test.ts`)
  : ["tests/setup/pg15.absent.ts"];

export default defineConfig({
  root,
  test: {
    pool: "forks",
    // Modules hold no state of a test, so that files of one worker can share them: most of what a small file costs is loading them.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: "pg18", include: ["tests/**/*.test.ts"], globalSetup: ["tests/setup/pg18.ts"] },
      },
      {
        extends: true,
        test: { name: "pg15", include: oldest, globalSetup: ["tests/setup/pg15.ts"] },
      },
    ],
  },
});
