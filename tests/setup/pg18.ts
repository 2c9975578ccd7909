/** Before and after the project `pg18`: all tests, on the release that comes with the package. */
import type { TestProject } from "vitest/node";
import { provideServer } from "./provider.js";
import { serveTemplate } from "./template.js";

/** Starts the server and answers how to stop it. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  return serveTemplate(project, await provideServer());
}
