/** Before and after the project `pg15`: what runs inside the database, on the oldest release supported. */
import type { TestProject } from "vitest/node";
import { installedBinaries } from "../../src/database/binaries.js";
import { provideOldestServer } from "./provider.js";
import { serveTemplate } from "./template.js";

/** Starts the server and answers how to stop it; without one only says so. */
export default async function setUp(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  if (await installedBinaries(15)) return serveTemplate(project, await provideOldestServer());
  console.warn("pg15: SKIPPED, PostgreSQL 15 is not installed (no initdb in PATH or /usr/lib/postgresql/15/bin)");
  return undefined;
}
