/** Session files as a client writes them, and as they looked while it was writing. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** A file: its path in the project's folder, and its lines. */
export interface File {
  readonly path: string;
  readonly lines: readonly string[];
}

/** An empty folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "claude-code-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files into a fresh folder: texts, or lines. */
export function folderOf(files: Readonly<Record<string, string | readonly unknown[]>>): string {
  const folder = temporaryFolder();
  for (const [path, content] of Object.entries(files)) write(folder, path, content);
  return folder;
}

/** Writes one file: a text, or lines. */
export function write(folder: string, path: string, content: string | readonly unknown[]): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  const text = typeof content === "string" ? content : content.map((line) => `${JSON.stringify(line)}\n`).join("");
  writeFileSync(join(folder, path), text);
}

/** Copies what a folder holds. */
export function copyOf(from: string): string {
  const folder = temporaryFolder();
  cpSync(from, folder, { recursive: true });
  return folder;
}

/** The files of one session. */
export function filesOf(project: string, session: string): File[] {
  return readdirSync(project, { recursive: true })
    .map(String)
    .filter((path) => path.startsWith(session) && path.endsWith(".jsonl"))
    .sort()
    .map((path) => ({ path, lines: readFileSync(join(project, path), "utf8").split("\n").filter(Boolean) }));
}

/** A model call's line: what matters named, the rest filled in. */
export interface AssistantFields {
  readonly id?: string | undefined;
  readonly request?: string | undefined;
  readonly at?: string;
  readonly model?: string | undefined;
  readonly usage?: unknown;
  readonly tools?: readonly (readonly [id: string, name: string])[];
  readonly uuid?: string;
  readonly parent?: string | null;
  readonly side?: boolean;
  readonly agent?: string;
}

let lines = 0;

/** A uuid of its own. */
function fresh(): string {
  lines += 1;
  return `line-${lines}`;
}

/** An instant of the day on which the sessions of the tests take place. */
export const at = (minute: number, second = 0): string =>
  new Date(Date.UTC(2026, 1, 3, 9, minute, second)).toISOString();

/** An assistant line. */
export function assistant(fields: AssistantFields): Record<string, unknown> {
  const { id, request = id && `req-${id}`, model = "claude-opus-4-6", tools = [] } = fields;
  const usage = "usage" in fields ? fields.usage : use(10, 5);
  return {
    type: "assistant",
    uuid: fields.uuid ?? fresh(),
    parentUuid: fields.parent ?? null,
    isSidechain: fields.side ?? false,
    ...(fields.agent && { agentId: fields.agent }),
    ...(request && { requestId: request }),
    timestamp: fields.at ?? at(0),
    message: {
      role: "assistant",
      ...(id && { id }),
      ...("model" in fields && fields.model === undefined ? {} : { model }),
      content: [
        { type: "text", text: "SECRET" },
        ...tools.map(([tool, name]) => ({ type: "tool_use", id: tool, name, input: { path: "SECRET" } })),
      ],
      ...(usage === undefined ? {} : { usage }),
    },
  };
}

/** A line of a person, or of a tool. */
export function user(
  fields: { at?: string; uuid?: string; parent?: string; side?: boolean; of?: string; spawned?: string } = {},
): Record<string, unknown> {
  return {
    type: "user",
    uuid: fields.uuid ?? fresh(),
    parentUuid: fields.parent ?? null,
    isSidechain: fields.side ?? false,
    timestamp: fields.at ?? at(0),
    message: {
      role: "user",
      content: fields.of ? [{ type: "tool_result", tool_use_id: fields.of, content: "SECRET" }] : "SECRET",
    },
    ...(fields.spawned && { toolUseResult: { agentId: fields.spawned, prompt: "SECRET" } }),
  };
}

/** A usage as the provider reports it. */
export function use(input: number, output: number, read = 0, write = 0): Record<string, unknown> {
  return {
    input_tokens: input,
    output_tokens: output,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: write,
  };
}
