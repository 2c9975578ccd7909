/** The files of this repository, for tests that read them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);

/** Absolute path of a file or folder of the repository. */
export function pathOf(name: string): string {
  return fileURLToPath(new URL(name, ROOT));
}

/** The text of a file, by its path from the root. */
export function read(name: string): string {
  return readFileSync(pathOf(name), "utf8");
}

/** Paths from the root of all files below a folder that end so. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(pathOf(folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .sort();
}
