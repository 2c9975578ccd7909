/**
 * Work on the schema without a database server: each command runs on an embedded server of its own
 * that is gone afterwards. Usage: tsx migrations/develop.ts watch | commit [message] | uncommit | snapshot
 */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commit, uncommit, watch } from "graphile-migrate";
import { connect } from "../src/database/connect.js";
import { MIGRATIONS, migrate, migrateToCurrent, type Settings, withMigrations } from "../src/database/migrate.js";
import { schemaSnapshot } from "../src/database/snapshot.js";
import { viewTypes } from "../src/database/view-types.js";
import { startServer, type TestServer } from "../tests/setup/server.js";

const SNAPSHOT = fileURLToPath(new URL("../sql/schema.snapshot.sql", import.meta.url));
const VIEW_TYPES = fileURLToPath(new URL("../src/database/schema.generated.ts", import.meta.url));
const CURRENT = join(MIGRATIONS, "current.sql");
const log = console.log;

const COMMANDS: Record<string, (server: TestServer, argument?: string) => Promise<void>> = {
  /** Applies `current.sql` again whenever it or a file in sql/ changes, until interrupted. */
  async watch({ url }) {
    log(`Look at it with: psql ${url}`);
    await withMigrations(url, { log }, async (settings) => {
      await watch(settings);
      await once(process, "SIGINT");
    });
  },

  /** Moves `current.sql` with what it includes to `committed/`, after running all of it from scratch. */
  async commit({ url }, message) {
    const before = await readFile(CURRENT, "utf8");
    try {
      await withMigrations(url, { log }, (settings) => commit(withShadow(settings), message));
    } catch (error) {
      // graphile-migrate puts the text back with its includes written out, which it then refuses.
      await writeFile(CURRENT, before);
      throw error;
    }
  },

  /** Moves the last committed migration back to `current.sql`; only for one nobody has run yet. */
  async uncommit({ url }) {
    await migrate(url, { log });
    await withMigrations(url, { log }, (settings) => uncommit(withShadow(settings)));
  },

  /** Writes the schema that the migrations make, `current.sql` included, and the types of its views. */
  async snapshot({ url }) {
    await migrateToCurrent(url, { log });
    const client = await connect(url);
    await writeFile(SNAPSHOT, await schemaSnapshot(client));
    await writeFile(VIEW_TYPES, await viewTypes(client));
    await client.end();
    log(`Written: ${SNAPSHOT}\nWritten: ${VIEW_TYPES}`);
  },
};

/** graphile-migrate proves a migration on a shadow database, which it makes from another one. */
function withShadow(settings: Settings): Settings {
  const inDatabase = (name: string): string => {
    const url = new URL(settings.connectionString ?? "");
    url.pathname = `/${name}`;
    return url.href;
  };
  return { ...settings, shadowConnectionString: inDatabase("shadow"), rootConnectionString: inDatabase("postgres") };
}

const [name = "", argument] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) {
  console.error(`Usage: develop.ts ${Object.keys(COMMANDS).join(" | ")}`);
  process.exit(2);
}
const server = await startServer({ version: "embedded" });
try {
  await command(server, argument);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await server.stop();
}
// The watcher of graphile-migrate cannot be closed and would keep the process.
process.exit();
