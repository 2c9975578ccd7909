/** `prune` and `archive`, as administrators use them. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLoginRole } from "../setup/database.js";
import { begin, type Environment, run } from "./command-line.js";
import { createTestLedger, TENANT, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
let admin: Environment;
let folder: string;
beforeAll(async () => {
  ledger = await createTestLedger();
  admin = { DATABASE_URL: await createLoginRole(ledger.database, { memberOf: "ledger_admin" }) };
  await ledger.apply([
    { op: "open_pool", operation_id: "top", pool_id: "top", channels: { tokens: { total: 9_000 } } },
  ]);
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-archive-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await ledger.close();
});

const json = async (...args: string[]): Promise<Record<string, unknown>> => {
  const { code, stdout, stderr } = await run([...args, "--json"], admin);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
};

const rows = async (text: string): Promise<Record<string, unknown>[]> => (await ledger.database.pool.query(text)).rows;

const ageAll = (): Promise<unknown> => rows("update ledger_private.operations set at = at - interval '40 days'");

const CHANNELS = { tokens: { total: 100 } };

/** Closed runs of one turn; what is metered later is late spend. */
async function closeRuns(...runs: string[]): Promise<void> {
  const spend = { iterations: 0, input_tokens: 5, output_tokens: 0, usd: "0.1" };
  const answers = await ledger.apply(
    runs.flatMap((id) => [
      {
        op: "open_pool",
        operation_id: `${id}/o`,
        pool_id: id,
        channels: CHANNELS,
        parent_pool_id: "top",
        run: { label: id },
      },
      { op: "meter", operation_id: `${id}/m`, pool_id: id, spend },
      { op: "close_pool", operation_id: `${id}/c`, pool_id: id },
    ]),
  );
  expect(answers.every(({ status }) => status === "ok")).toBe(true);
}

const TOMORROW = new Date(Date.now() + 86_400_000).toISOString();

describe("prune", () => {
  it("deletes what is older than the window, once, and says how much", async () => {
    expect(await json("prune")).toEqual({ tenant_id: null, pruned: 0 });
    await ageAll();
    expect(await json("prune", "--older-than", "50d", "--tenant", TENANT)).toEqual({ tenant_id: TENANT, pruned: 0 });
    expect((await run(["prune"], admin)).stdout).toBe("Pruned 1 operations\n");
  });

  it("goes on until it is told to stop, and then ends well", async () => {
    await closeRuns("swept");
    await ageAll();
    const pruner = begin(["prune", "--every", "0.1"], admin);
    await pruner.until(/ {2}pruned 3 operations\n/);
    pruner.child.kill("SIGINT");
    expect(await pruner.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("is an administrator's, and knows days", async () => {
    expect(await ledger.failure("prune")).toMatchObject({ exit: 1, code: "42501" });
    expect(await run(["prune", "--older-than", "soon"], admin)).toMatchObject({ code: 2 });
    expect(await run(["prune", "--older-than", "0d"], admin)).toMatchObject({ code: 2 });
  });
});

const archive = (...more: string[]): string[] => ["archive", "--tenant", TENANT, "--to", folder, ...more];

describe("archive", () => {
  it("exports, proves and archives each run that ended before, and finds nothing the next time", async () => {
    await closeRuns("a/1", "a:1");
    expect(await json(...archive("--before", "2020-01-01"))).toEqual({ archived: [] });
    await json(...archive("--before", TOMORROW));
    const files = await readdir(folder);
    expect(files).toHaveLength(3);
    for (const file of files) {
      expect(file).toMatch(/^(?:a_1|swept)\.[0-9a-f]{8}\.[0-9a-f]{12}\.jsonl\.gz$/);
      expect((await run(["verify-export", join(folder, file)])).code).toBe(0);
    }
    const recorded =
      "select run_id, right(export_digest, 64) as sha256 from ledger.archives where run_id like 'a_1' order by 1";
    for (const { sha256 } of await rows(recorded)) {
      expect(files.some((file) => file.includes(String(sha256).slice(0, 12)))).toBe(true);
    }
    expect(await rows("select from ledger_private.journal where run_id is not null and pool_id <> 'top'")).toEqual([]);
    expect((await run(archive("--before", TOMORROW), admin)).stdout).toBe("No run to archive\n");
  });

  it("takes what was spent late the next time, and the new file holds the whole run", async () => {
    await closeRuns("late");
    await json(...archive("--before", TOMORROW));
    const spend = { iterations: 0, input_tokens: 1, output_tokens: 0, usd: "0" };
    await ledger.apply([{ op: "meter", operation_id: "late/more", pool_id: "late", spend }]);
    const { archived } = await json(...archive("--before", TOMORROW));
    expect(archived).toMatchObject([{ run_id: "late", events: 1 }]);
    const [{ file }] = archived as [{ file: string }];
    const verdict = JSON.parse((await run(["verify-export", file, "--json"])).stdout);
    expect(verdict).toMatchObject({ proven: true, counts: { event: 4 } });
  });

  it("killed in between loses nothing and goes on", async () => {
    const runs = Array.from({ length: 4 }, (_, n) => `k${n}`);
    await closeRuns(...runs);
    const before = await rows("select * from ledger.journal order by pool_id, seq");
    const killed = begin(archive("--before", TOMORROW), admin);
    await killed.until(/^k\d+: 3 events/m);
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect(await rows("select * from ledger.journal order by pool_id, seq")).toEqual(before);
    await json(...archive("--before", TOMORROW));
    expect(await rows("select * from ledger.journal order by pool_id, seq")).toEqual(before);
    expect(await rows("select from ledger.archives where run_id like 'k%'")).toHaveLength(4);
    expect(await rows("select from ledger_private.journal where run_id is not null and pool_id <> 'top'")).toEqual([]);
  });

  it("wants a folder, a date, and an administrator", async () => {
    await closeRuns("kept");
    const file = join(folder, "file");
    await writeFile(file, "");
    const failures = [
      [["archive", "--tenant", TENANT, "--to", file, "--before", TOMORROW], 2],
      [archive("--before", "yesterday"), 2],
      [["archive", "--tenant", TENANT, "--to", folder], 2],
    ] as const;
    for (const [args, code] of failures) expect(await run(args, admin)).toMatchObject({ code });
    expect(await ledger.failure(...archive("--before", TOMORROW))).toMatchObject({ exit: 1, code: "42501" });
    expect(await rows("select from ledger.archives where run_id = 'kept'")).toEqual([]);
    expect((await readFile(file, "utf8")).length).toBe(0);
  });
});
