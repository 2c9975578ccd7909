/** SQL in files beside this one: statements by name, each after a line `-- :name`. */
import { readFileSync } from "node:fs";

/** The statements of `<file>.sql`. */
export function statementsOf(file: string): (statement: string) => string {
  const text = readFileSync(new URL(`${file}.sql`, import.meta.url), "utf8");
  const [, ...parts] = text.split(/^-- :(\w+)\n/m);
  const statements = new Map<string, string>();
  for (let n = 0; n + 1 < parts.length; n += 2) statements.set(parts[n] ?? "", (parts[n + 1] ?? "").trim());
  return (statement) => {
    const found = statements.get(statement);
    if (found === undefined) throw new Error(`${file}.sql has no statement ${statement}`);
    return found;
  };
}
