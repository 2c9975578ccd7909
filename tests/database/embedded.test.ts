import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Complaint } from "../../src/database/complaint.js";
import { connect } from "../../src/database/connect.js";
import { startEmbedded } from "../../src/database/embedded.js";
import { livingOwner } from "../../src/database/postmaster.js";
import { isAlive } from "../../src/database/process.js";

const OWNER = fileURLToPath(new URL("./owner.ts", import.meta.url));

describe("the embedded server", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "agent-ledger-"));
    await chmod(directory, 0o755);
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it("keeps its data and its password from one start to the next", async () => {
    const first = await startEmbedded(directory);
    const before = await connect(first.url);
    await before.query("create table kept as select 1 as one");
    await before.end();
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const second = await startEmbedded(directory);
    const after = await connect(second.url);
    expect((await after.query("select one from kept")).rows).toEqual([{ one: 1 }]);
    await after.end();
    await second.stop();
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  it("keeps the superuser's password from other accounts", async () => {
    const server = await startEmbedded(directory);
    await server.stop();
    expect((await stat(join(directory, "superuser-password"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, "data"))).mode & 0o777).toBe(0o700);
  });

  it("refuses a directory that another server uses, at once, and says how to use that one", async () => {
    const server = await startEmbedded(directory);
    const since = Date.now();
    const message = `${directory} is in use by process ${server.pid}. Stop it, or use it: DATABASE_URL='${server.url}'`;
    await expect(startEmbedded(directory)).rejects.toThrow(new Complaint(message));
    expect(Date.now() - since).toBeLessThan(2_000);
    expect(isAlive(server.pid)).toBe(true);
    await server.stop();
  });

  it("does not take for a server the process that got the id of one that crashed", async () => {
    const pidFile = join(directory, "data", "postmaster.pid");
    const other = spawn("sleep", ["60"]);
    await writeFile(pidFile, [other.pid, join(directory, "data"), 0, 1, "", "", "", "ready"].join("\n"));
    try {
      expect(await livingOwner(join(directory, "data"))).toEqual({ stalePid: other.pid });
    } finally {
      other.kill();
      await rm(pidFile);
    }
  });

  it.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)("ends when its owner ends by %s", async (signal) => {
    const owner = spawn(process.execPath, ["--import", "tsx", OWNER, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(owner.stdout, "data");
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    owner.kill(signal);
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000, interval: 20 });
  });
});
