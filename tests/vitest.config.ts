import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { installedBinaries } from "../src/database/binaries.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What depends on the database alone, and so must hold on every release supported. */
const DATABASE_SUITES = ["sql", "vectors", "concurrency", "properties", "faults", "setup"];

const hasOldest = (await installedBinaries(15)) !== undefined;
if (!hasOldest) {
  console.warn(
    "PostgreSQL 15 is not installed (no initdb in PATH or /usr/lib/postgresql/15/bin): project pg15 is skipped",
  );
}

export default defineConfig({
  root,
  test: {
    pool: "forks",
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
        test: hasOldest
          ? {
              name: "pg15",
              include: DATABASE_SUITES.map((suite) => `tests/${suite}/**/*.test.ts`),
              globalSetup: ["tests/setup/pg15.ts"],
            }
          : { name: "pg15", include: ["tests/setup/pg15.absent.ts"] },
      },
    ],
  },
});
