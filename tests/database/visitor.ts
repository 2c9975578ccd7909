/** Somebody who looks into the ledger beside the processes that use it: psql, or a plain client where it is not installed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import pg from "pg";
import { run } from "../../src/database/process.js";

/** A session that stays open between questions. */
export interface Visitor {
  /** The one value that the statement answers, as text. */
  ask(statement: string): Promise<string>;
  end(): Promise<void>;
}

/** Connects to that URL. */
export async function visit(url: string): Promise<Visitor> {
  const hasPsql = await run("psql", ["--version"]).then(
    () => true,
    () => false,
  );
  return hasPsql ? psql(url) : plainClient(url);
}

function psql(url: string): Visitor {
  const child = spawn("psql", ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", url], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async ask(statement) {
      child.stdin.write(`${statement};\n`);
      return (await lines.next()).value as string;
    },
    async end() {
      child.stdin.end();
      await exited;
    },
  };
}

async function plainClient(url: string): Promise<Visitor> {
  const client = new pg.Client({ connectionString: url, application_name: "visitor" });
  await client.connect();
  return {
    async ask(text) {
      const { rows } = await client.query<string[]>({ text, rowMode: "array" });
      return String(rows[0]?.[0]);
    },
    end: () => client.end(),
  };
}
