/** Before and after the project `pg15`: what runs inside the database, on the oldest release supported. */
import type { TestProject } from "vitest/node";
import { provideOldestServer } from "./provider.js";
import { serveTemplate } from "./template.js";

/** Starts the server and answers how to stop it. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  return serveTemplate(project, await provideOldestServer());
}
