import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { attach, defaultDirectory, openEmbedded } from "../../src/database/attach.js";
import { Complaint } from "../../src/database/complaint.js";
import { isAlive } from "../../src/database/process.js";
import { type Folder, PATIENCE, query, startUser, temporaryFolder, untilLookedAt } from "./folder.js";
import { visit } from "./visitor.js";

/** Names one cluster among all there are. */
const CLUSTER = "select system_identifier from pg_control_system()";

describe("the server that several processes share", { timeout: 90_000 }, () => {
  let folder: Folder;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  it("is made once by four processes that come at once", async () => {
    const users = await Promise.all([1, 2, 3, 4].map(() => startUser(folder.directory)));
    expect(new Set(users.map(({ superuserUrl }) => superuserUrl)).size).toBe(1);
    const clusters = await Promise.all(users.map((user) => user.ask(CLUSTER)));
    expect(new Set(clusters.map((rows) => JSON.stringify(rows))).size).toBe(1);
    // Those who lost the race discard what they have made.
    const expected = [".gitignore", "data", "data.log", "host.log", "port", "superuser-password"];
    await vi.waitFor(async () => expect((await readdir(folder.directory)).sort()).toEqual(expected), PATIENCE);
    await Promise.all(users.map((user) => user.kill9()));
    await folder.untilStopped();
  });

  it("is not affected by the end of one user, stops with the last one, and has its data and its port at the next start", async () => {
    const [one, other] = await Promise.all([startUser(folder.directory), startUser(folder.directory)]);
    await one.ask("create table kept (id int)");
    const pid = await folder.serverPid();
    await one.kill9();
    await other.ask("insert into kept values (1)");
    expect(isAlive(pid)).toBe(true);
    await other.kill9();
    await folder.untilStopped();
    expect(isAlive(pid)).toBe(false);

    const third = await attach(folder.directory);
    expect(await query(third.superuserUrl, "select id from kept")).toEqual([{ id: 1 }]);
    expect(third.superuserUrl).toBe(one.superuserUrl);
    await third.release();
  });

  it("stops when its only user releases it, who may do so twice", async () => {
    const { release } = await attach(folder.directory);
    const pid = await folder.serverPid();
    await Promise.all([release(), release()]);
    await folder.untilStopped();
    expect(isAlive(pid)).toBe(false);
  });

  it("keeps no process running that has nothing more to do, and stops when that has ended", async () => {
    const { process: child } = await startUser(folder.directory, "end");
    await vi.waitFor(() => expect(child.exitCode).toBe(0), PATIENCE);
    await folder.untilStopped();
  });

  it("is not affected by a Ctrl-C in the terminal of the process that started it", async () => {
    const starter = await startUser(folder.directory);
    const [host, pid] = [await folder.hostPid(), await folder.serverPid()];
    const { superuserUrl, release } = await attach(folder.directory);
    await starter.interrupt();
    await untilLookedAt(superuserUrl, "alone");
    expect([isAlive(host), isAlive(pid)]).toEqual([true, true]);
    await release();
    await folder.untilStopped();
  });

  it("goes on while somebody looks into it with psql", async () => {
    const user = await openEmbedded("local", folder.directory);
    const visitor = await visit(user.url);
    expect(await visitor.ask("select count(*) from ledger.pools")).toBe("0");
    await user.release();
    await untilLookedAt(user.superuserUrl, "pg_advisory_unlock");
    expect(await visitor.ask("select ledger.caller_tenant()")).toBe("local");
    await visitor.end();
    await folder.untilStopped();
  });

  it("has files that are for this account alone", async () => {
    const modes = ["data", "data.log", "host.log", "superuser-password"].map(async (name) => {
      return (await stat(join(folder.directory, name))).mode & 0o077;
    });
    expect(await Promise.all(modes)).toEqual([0, 0, 0, 0]);
    expect(await readFile(join(folder.directory, ".gitignore"), "utf8")).toBe("*\n");
  });
});

describe("attach", () => {
  let folder: Folder;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  const complaintOf = async (directory: string): Promise<string> => {
    const error = await attach(directory).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Complaint);
    return (error as Complaint).message;
  };

  it("uses the folder that AGENT_LEDGER_DIR names", () => {
    vi.stubEnv("AGENT_LEDGER_DIR", "/somewhere/else");
    expect(defaultDirectory()).toBe("/somewhere/else");
    vi.stubEnv("AGENT_LEDGER_DIR", "");
    expect(defaultDirectory()).toBe(".agent-ledger");
    vi.unstubAllEnvs();
  });

  it("says what to do about a folder that cannot be made", async () => {
    const file = join(folder.directory, "file");
    await writeFile(file, "");
    expect(await complaintOf(join(file, "below"))).toMatch(/cannot be used: .* Set AGENT_LEDGER_DIR .* DATABASE_URL/);
  });

  it("repeats what Postgres says of data that it cannot use, and says what to do", async () => {
    const directory = join(folder.directory, "damaged");
    await mkdir(join(directory, "data"), { recursive: true, mode: 0o700 });
    await writeFile(join(directory, "superuser-password"), "secret\n");
    const message = await complaintOf(directory);
    expect(message).toContain(`Postgres in ${directory} did not start`);
    expect(message).toMatch(/postgresql\.conf": No such file.*\n.* set DATABASE_URL/);
  });

  it("does not make a new password for data that there is", async () => {
    const directory = join(folder.directory, "bereft");
    await mkdir(join(directory, "data"), { recursive: true });
    expect(await complaintOf(directory)).toContain("superuser-password is missing");
  });
});
