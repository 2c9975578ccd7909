/** Keys that an object of JSON has more than once: `JSON.parse` takes the last and says nothing, other readers take the first. */

/** Signs that say where in a text of JSON one is; what is escaped stands in a string and ends none. */
const SIGNS = /\\.|["[\]{}:]/g;

/** The keys that the outermost object has more than once, in their order. The text must be one that `JSON.parse` takes. */
export function repeatedKeys(json: string): string[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  let depth = 0;
  let isInString = false;
  let text = { from: 0, to: 0 };
  for (const { 0: sign, index } of json.matchAll(SIGNS)) {
    if (sign === '"') {
      isInString = !isInString;
      text = isInString ? { from: index, to: index } : { from: text.from, to: index + 1 };
    } else if (isInString) continue;
    else if (sign === "{" || sign === "[") depth += 1;
    else if (sign === "}" || sign === "]") depth -= 1;
    else if (depth === 1) {
      const key = String(JSON.parse(json.slice(text.from, text.to)));
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
    }
  }
  return [...repeated];
}
