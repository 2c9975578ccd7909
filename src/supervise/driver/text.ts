/** Values as text for a model, bounded: what is too large is cut, and says so. */

/** Characters of one artifact that a model is shown. */
const OUTPUT_CHARACTERS = 8_000;

/** Characters of one tool result, of one message, of the list of children after a restart. */
export const MESSAGE_CHARACTERS = 24_000;

/** The first characters of a text, never half of a pair. */
export function cut(text: string, characters: number): string {
  const end = /[\uD800-\uDBFF]/.test(text.charAt(characters - 1)) ? characters - 1 : characters;
  return text.slice(0, end);
}

/** A text that is not longer than a message may be. */
export function bounded(text: string, characters = MESSAGE_CHARACTERS): string {
  if (text.length <= characters) return text;
  return `${cut(text, characters)}\n[cut: the first ${characters} of ${text.length} characters]`;
}

/** A tool result as JSON text; what has no JSON form is an error object. */
export function resultText(result: unknown): string {
  return bounded(jsonText(result));
}

/** What went wrong, of whatever was thrown: also of errors whose name or message is no text. */
export function errorText(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return "an error without a text";
  }
}

/** JSON text of anything. */
export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch (error) {
    return JSON.stringify({ error: "tool-failed", message: `its result has no JSON form: ${errorText(error)}` });
  }
}

/** An artifact for a model: whole where it is small, else its beginning as text, with a note of where the rest is. */
export function shownOutput(output: unknown, outRef: string | null): { output: unknown; note?: string } {
  const text = jsonText(output);
  if (text.length <= OUTPUT_CHARACTERS) return { output };
  const note = `output is cut: the first ${OUTPUT_CHARACTERS} of ${text.length} characters of its JSON; whole in ${outRef}`;
  return { output: cut(text, OUTPUT_CHARACTERS), note };
}

/** A text that the ledger can keep: well formed, on one line, bounded. */
export function keptText(text: string, characters: number): string {
  const wellFormed = Buffer.from(text, "utf8").toString("utf8");
  return cut(wellFormed.replaceAll(/\p{Cc}+/gu, " "), characters);
}
