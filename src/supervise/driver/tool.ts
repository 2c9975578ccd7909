/** Tools that a driver's model may call: what it sees of them, what they do, and how every mistake is told to it. */
import { z } from "zod";
import { LedgerError } from "../../ledger/errors.js";
import { parse } from "../../ledger/schemas.js";
import type { ChatTool } from "./chat.js";
import { errorText } from "./text.js";

/** A tool with what it does. What `execute` answers is given to the model as JSON; what it throws, as an error object. */
export interface ChatToolImplementation extends ChatTool {
  /** `args` is the JSON object the model wrote; `signal` aborts with the driver. */
  execute(args: unknown, context?: { readonly signal: AbortSignal }): unknown;
}

/** What the model gets instead of an answer. */
export interface ToolError {
  /** A short name, such as `bad-arguments`, `unknown-tool`, or a refusal of the ledger. */
  readonly error: string;
  /** The argument concerned, as a path; empty for all of them. */
  readonly field?: string;
  /** What it must be. */
  readonly rule?: string;
  /** What would have been right: names of arguments (`?` = may be left out), of tools, of workers, of profiles. */
  readonly allowed?: readonly string[];
  readonly message?: string;
  readonly [fact: string]: unknown;
}

/** A tool whose arguments are those of a zod schema: checked before `run`, and shown to the model as JSON Schema. */
export function toolOf<S extends z.ZodType>(
  tool: Pick<ChatTool, "name" | "description"> & { readonly args: S },
  run: (args: z.output<S>) => Promise<unknown>,
): ChatToolImplementation {
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.args, { io: "input" });
  return {
    name: tool.name,
    description: tool.description,
    parameters,
    async execute(args) {
      try {
        return await run(parse(tool.args, args, tool.name));
      } catch (error) {
        return toolError(error, tool.name, parameters);
      }
    },
  };
}

/** What went wrong, for the model. A mistake in the arguments comes with the names of those there are. */
export function toolError(error: unknown, tool: string, parameters: ChatTool["parameters"]): ToolError {
  if (error instanceof LedgerError && error.code === "LG001") {
    const { path = "", rule = error.message } = error.detail as { path?: string; rule?: string };
    const field = path.split(".").slice(path.startsWith(tool) ? 1 : 0);
    return { error: "bad-arguments", field: field.join("."), rule, allowed: allowedIn(parameters, field) };
  }
  if (error instanceof LedgerError) return { error: error.code, message: `${error.name}: ${error.message}` };
  return { error: "tool-failed", message: errorText(error) };
}

interface JsonSchema {
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

/** The values a field may have where they are few, else the names of the arguments beside it. */
function allowedIn(schema: JsonSchema, field: readonly string[]): string[] {
  const [name, ...rest] = field;
  const inner = name === undefined ? undefined : schema.properties?.[name];
  if (inner?.enum) return inner.enum.map(String);
  if (inner?.properties) return allowedIn(inner, rest);
  return Object.keys(schema.properties ?? {}).map((key) => (schema.required?.includes(key) ? key : `${key}?`));
}

/** Runs the tools of one driver by name. Never throws: the model is told what is wrong and may do better. */
export async function callTool(
  tools: ReadonlyMap<string, ChatToolImplementation>,
  call: { readonly name: string; readonly arguments: string },
  signal: AbortSignal,
): Promise<unknown> {
  const tool = tools.get(call.name);
  if (!tool) {
    return { error: "unknown-tool", field: "name", rule: `${call.name} is no tool`, allowed: [...tools.keys()] };
  }
  const args = objectIn(call.arguments);
  if (args === undefined) {
    const allowed = allowedIn(tool.parameters, []);
    return { error: "bad-arguments", field: "", rule: "must be one JSON object", allowed } satisfies ToolError;
  }
  try {
    return await tool.execute(args, { signal });
  } catch (error) {
    return toolError(error, tool.name, tool.parameters);
  }
}

/** Models write nothing where there is nothing to say. */
function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    if (text.trim() === "") return {};
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
