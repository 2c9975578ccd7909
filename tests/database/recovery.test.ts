import { spawn } from "node:child_process";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serverAccount } from "../../src/database/account.js";
import { attach } from "../../src/database/attach.js";
import { startEmbedded } from "../../src/database/embedded.js";
import { cutPower } from "../setup/power-cut.js";
import { type Folder, query, removeUsed, temporaryFolder, untilLookedAt } from "./folder.js";

describe("the shared server recovers", { timeout: 90_000 }, () => {
  let folder: Folder;
  let count = 0;
  beforeAll(async () => {
    folder = await temporaryFolder();
    const first = await attach(folder.directory);
    await query(first.superuserUrl, "create table counted (id int)");
    await first.release();
    await folder.untilStopped();
  });
  afterAll(() => folder.remove());

  /** Commits something, does harm, and finds what was committed after attaching again. Answers the servers before and after. */
  async function survive(harm: (superuserUrl: string) => Promise<void>): Promise<[number, number]> {
    const before = await attach(folder.directory);
    count += 1;
    await query(before.superuserUrl, "insert into counted values ($1)", [count]);
    const pid = await folder.serverPid();
    await harm(before.superuserUrl);
    await before.lost;
    const after = await attach(folder.directory);
    expect(await query(after.superuserUrl, "select count(*)::int as count from counted")).toEqual([{ count }]);
    const newPid = await folder.serverPid();
    await untilLookedAt(after.superuserUrl, "alone");
    await Promise.all([before.release(), after.release()]);
    await folder.untilStopped();
    return [pid, newPid];
  }

  it("from the end of its host by SIGKILL", async () => {
    const [before, after] = await survive(async () => {
      process.kill(await folder.hostPid(), "SIGKILL");
    });
    expect(after).not.toBe(before);
  });

  it("from its own end by SIGKILL", async () => {
    const [before, after] = await survive(async () => {
      await cutPower(await folder.serverPid());
    });
    expect(after).not.toBe(before);
  });

  it("from the end of both at once", async () => {
    await survive(async () => {
      process.kill(await folder.hostPid(), "SIGKILL");
      await cutPower(await folder.serverPid());
    });
  });

  it("from the end of one session's process by SIGKILL, which ends all sessions", async () => {
    const [before, after] = await survive(async (superuserUrl) => {
      const [{ pid } = {}] = (await query(
        superuserUrl,
        "select pid from pg_stat_activity where application_name = 'agent-ledger user'",
      )) as { pid?: number }[];
      process.kill(pid as number, "SIGKILL");
    });
    expect(after).toBe(before);
  });

  it("or whoever comes is told that it does not answer", async () => {
    const user = await attach(folder.directory);
    const pid = await folder.serverPid();
    process.kill(pid, "SIGSTOP");
    try {
      const message = `Postgres in ${folder.directory} was not ready in 0.1 s`;
      await expect(attach(folder.directory, { patienceMs: 100 })).rejects.toThrow(message);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect(await query(user.superuserUrl, "select 1 as one")).toEqual([{ one: 1 }]);
    await user.release();
    await folder.untilStopped();
  });

  it("and starts anew where its folder was moved away", async () => {
    const before = await attach(folder.directory);
    const pid = await folder.serverPid();
    const moved = `${folder.directory}.moved`;
    await rename(folder.directory, moved);
    await before.lost;
    const after = await attach(folder.directory);
    expect(await query(after.superuserUrl, "select to_regclass('counted') as found")).toEqual([{ found: null }]);
    expect(await folder.serverPid()).not.toBe(pid);
    await after.release();
    await folder.untilStopped();
    await removeUsed(folder.directory);
    await rename(moved, folder.directory);
    await survive((superuserUrl) =>
      query(superuserUrl, "select 1").then(async () => cutPower(await folder.serverPid())),
    );
  });

  it("and starts anew where its folder was removed", async () => {
    const doomed = await temporaryFolder();
    const before = await attach(doomed.directory);
    await removeUsed(doomed.directory);
    await before.lost;
    const after = await attach(doomed.directory);
    expect(await query(after.superuserUrl, "select 1 as one")).toEqual([{ one: 1 }]);
    await after.release();
    await doomed.remove();
  });
});

it("a server starts where its predecessor crashed and another process got the same id", async () => {
  const folder = await temporaryFolder();
  const first = await startEmbedded(folder.directory);
  await first.stop();
  // Of the account that the server runs as: Postgres disregards those of others by itself.
  const other = spawn("sleep", ["60"], { ...(await serverAccount()) });
  const file = join(folder.directory, "data", "postmaster.pid");
  await writeFile(file, [other.pid, join(folder.directory, "data"), 0, first.port, "", "", "", "ready", ""].join("\n"));
  try {
    const second = await startEmbedded(folder.directory);
    expect(second.port).toBe(first.port);
    await second.stop();
  } finally {
    other.kill();
    await folder.remove();
  }
});
