/** A tenant that the embedded server makes because it was named is told of: the name may be mistyped. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "./command-line.js";

let folder: string;
let environment: { AGENT_LEDGER_DIR: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-"));
  // The server may run as another account, which must be able to enter.
  await chmod(folder, 0o755);
  environment = { AGENT_LEDGER_DIR: join(folder, "ledger") };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const NO_RUN = "No run yet. agent-ledger import claude-code <folder> imports sessions\n";

it("tells of it when a verb only reads, once, and as JSON when asked", async () => {
  // The first has no ledger to ask yet.
  const first = await run(["runs"], environment);
  expect(first).toEqual({ code: 0, stdout: NO_RUN, stderr: "Tenant local is new: nothing is in it yet\n" });
  expect(await run(["runs"], environment)).toEqual({ code: 0, stdout: NO_RUN, stderr: "" });

  expect(await run(["audit", "--tenant", "locla"], environment)).toEqual({
    code: 0,
    stdout: "Audit: 0 findings\n",
    stderr: "Tenant locla is new: nothing is in it yet\n",
  });
  expect(await run(["usage", "--json", "--tenant", "lcoal"], environment)).toEqual({
    code: 0,
    stdout: "[]\n",
    stderr: '{"notice":{"message":"Tenant lcoal is new: nothing is in it yet"}}\n',
  });
  const missing = await run(["pool", "show", "p", "--tenant", "olcal"], environment);
  expect(missing).toEqual({
    code: 1,
    stdout: "",
    stderr:
      "Tenant olcal is new: nothing is in it yet\n" +
      "agent-ledger: Tenant olcal has no pool p: agent-ledger pool open p opens one\n",
  });

  // Who writes means it.
  expect(await run(["pool", "open", "p", "--tenant", "team"], environment)).toMatchObject({ code: 0, stderr: "" });
  expect(await run(["refusals", "--tenant", "team"], environment)).toMatchObject({ code: 0, stderr: "" });
});
