/**
 * Ways to spoil a well-formed operation. Each makes it LG001, whatever the ledger holds.
 */
import type { Operation } from "../vectors/steps.js";

type Draft = Record<string, unknown>;

/** Answers with the spoiled draft, or nothing where the draft lacks what would be spoiled. */
type Spoiler = (draft: Draft) => Draft | undefined;

const inside =
  (key: string, change: (part: Draft) => Draft): Spoiler =>
  (draft) => {
    const part = draft[key];
    if (typeof part !== "object" || part === null) return undefined;
    return { ...draft, [key]: change(part as Draft) };
  };

const replacing =
  (key: string, value: unknown): Spoiler =>
  (draft) =>
    key in draft ? { ...draft, [key]: value } : undefined;

const addUnknownKey: Spoiler = (draft) => ({ ...draft, surprise: 1 });

const SPOILERS: readonly Spoiler[] = [
  addUnknownKey,
  replacing("op", "fly"),
  ({ operation_id, ...anonymous }) => anonymous,
  replacing("pool_id", ""),
  replacing("pool_id", "x".repeat(201)),
  replacing("pool_id", 7),
  replacing("node_id", "line\nbreak"),
  replacing("outcome", "maybe"),
  replacing("task_ref", "task"),
  (draft) => (draft.op === "dispatch" ? { ...draft, node_id: "n", pool_id: "p" } : undefined),
  replacing("lease_ms", "soon"),
  replacing("driver", "yes"),
  replacing("amounts", { tokens: "1.5" }),
  (draft) => ({ ...draft, effective_at: "2999-01-01T00:00:00Z" }),
  (draft) => ({ ...draft, tags: { ["k".repeat(65)]: "v" } }),
  (draft) => ({
    ...draft,
    tags: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, "v"])),
  }),
  inside("budget", (budget) => ({ ...budget, tokens: 1.5 })),
  inside("budget", (budget) => ({ ...budget, iterations: -1 })),
  inside("budget", (budget) => ({ ...budget, usd: "0.0000000000001" })),
  inside("channels", (channels) => ({ ...channels, usd: { total: "Infinity" } })),
  inside("channels", (channels) => ({ ...channels, tokens: { cap: 1 } })),
  inside("spend", (spend) => ({ ...spend, input_tokens: -1 })),
  inside("spend", (spend) => ({ ...spend, usd: "NaN" })),
  inside("spend", (spend) => ({ ...spend, usd: null })),
  inside("spend", (spend) => ({ ...spend, reasoning_tokens: 9_000_000 })),
  inside("spend", (spend) => ({ ...spend, cache_read_tokens: 9_000_000 })),
  inside("spend", ({ usd, usd_known, ...silent }) => silent),
  inside("spend", ({ usd, ...rest }) => ({ ...rest, usd_known: true })),
  inside("spend", (spend) => ({ ...spend, resources: { gpu_seconds: { amount: "-1" } } })),
  (draft) => ("outcome" in draft ? { ...draft, tool_calls: [{ name: "read", arguments: "{}" }] } : undefined),
  (draft) => ("spend" in draft ? { ...draft, tool_calls: ["read", { id: "t1" }] } : undefined),
  (draft) => ("outcome" in draft ? { ...draft, tool_results: [{ id: "t1", status: "maybe" }] } : undefined),
  (draft) => ("spend" in draft ? { ...draft, lines: [] } : undefined),
  (draft) => ("spend" in draft ? { ...draft, lines: [{ ...(draft.spend as Draft), ms: 6000 }] } : undefined),
];

/** Spoils the draft in the way of that number, or the next one that applies. */
export function spoil(draft: Draft, number: number): Operation {
  for (let tried = 0; tried < SPOILERS.length; tried += 1) {
    const spoiled = SPOILERS[(number + tried) % SPOILERS.length]?.(draft);
    if (spoiled !== undefined) return spoiled;
  }
  return draft;
}
