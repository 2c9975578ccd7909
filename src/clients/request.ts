/** What a request to a provider asks for, as far as the ledger may know: sizes, ids and how tools ended, no text. */
import { LedgerError } from "../ledger/errors.js";

/** The body of a call, as far as it is looked at. */
export type Body = Readonly<Record<string, unknown>>;

/**
 * The body of a call of a model.
 * @throws {LedgerError} LG001 where it cannot be read: an unread call would go unmetered.
 */
export function bodyOf({ body }: RequestInit): Body {
  const text = ArrayBuffer.isView(body) || body instanceof ArrayBuffer ? new TextDecoder().decode(body) : body;
  try {
    const read: unknown = typeof text === "string" ? JSON.parse(text) : undefined;
    if (typeof read === "object" && read !== null && !Array.isArray(read)) return read as Body;
  } catch {
    // The error below says what is wrong.
  }
  const rule = "must be a JSON object, given as one, as text or as bytes, so that the call can be metered";
  throw new LedgerError("LG001", `body: ${rule}`, { detail: { path: "body", rule } });
}

/**
 * Parts of a prompt whose data is no text to count, in any of the formats: by type, where the data is. What only has such a type, as plain
 * JSON in the input of a tool may, is none.
 */
const ATTACHED: Readonly<Record<string, readonly string[]>> = {
  image_url: ["image_url"],
  input_audio: ["input_audio"],
  file: ["file"],
  input_image: ["image_url", "file_id"],
  input_file: ["file_data", "file_id", "file_url"],
  computer_screenshot: ["image_url", "file_id"],
  image: ["source"],
  document: ["source"],
  container_upload: ["file_id"],
};

/** Data that the API takes as a text; others are objects. */
const AS_TEXT: ReadonlySet<string> = new Set(["image_url", "file_data", "file_id", "file_url"]);

/**
 * The bytes of the JSON of a prompt, which is more than its text, and how many pictures and files are in it, whose data counts no bytes. A
 * document that is text counts as such.
 */
export function promptOf(prompt: unknown): { readonly promptBytes: number; readonly attachments: number } {
  let attachments = 0;
  const json = JSON.stringify(prompt, (_key, value: unknown) => {
    const data = dataIn(value);
    if (data.length === 0) return value;
    attachments += 1;
    return { ...(value as object), ...Object.fromEntries(data.map((name) => [name, null])) };
  });
  return { promptBytes: Buffer.byteLength(json), attachments };
}

/** Names of the parts of an attachment that hold its data; none where it is none. */
function dataIn(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  const { type, source } = value as { readonly type?: unknown; readonly source?: { readonly type?: unknown } | null };
  if (type === "document" && (source?.type === "text" || source?.type === "content")) return [];
  const names = typeof type === "string" && Object.hasOwn(ATTACHED, type) ? (ATTACHED[type] ?? []) : [];
  return names.filter((name) => {
    const data: unknown = Reflect.get(value, name);
    return typeof data === "string" ? AS_TEXT.has(name) : typeof data === "object" && data !== null;
  });
}

/** A number of tokens that is one. */
export function tokensIn(...values: readonly unknown[]): number | undefined {
  return values.find((value): value is number => Number.isSafeInteger(value) && Number(value) >= 0);
}

/** The name of the model; of a request that names none, nothing is known. */
export function modelIn({ model }: Body): string {
  return typeof model === "string" && model !== "" ? model : "unknown";
}

/** Hosts whose prices are not those of the provider whose format they speak. */
const HOSTS: readonly (readonly [host: RegExp, provider: string])[] = [
  [/\.azure\.com$/, "azure"],
  [/\.amazonaws\.com$/, "aws"],
  [/\.googleapis\.com$/, "google"],
  [/(?:^|\.)openrouter\.ai$/, "openrouter"],
  [/(?:^|\.)x\.ai$/, "x-ai"],
];

/** Who is asked, as the book of prices names it. */
export function providerAt({ hostname }: URL, otherwise: string): string {
  return HOSTS.find(([host]) => host.test(hostname))?.[1] ?? otherwise;
}
