/**
 * What the second of two operations answers when the first one holds the locks it needs: after the first commits, and
 * after it rolls back. One row per ordered pair, in every place where two operations share a balance.
 */

/** The operations that move balances, or decide whether they may move. */
export type Verb = "spawn" | "settle" | "meter" | "fund" | "expire" | "close_pool";

/** All of them. */
export const VERBS: readonly Verb[] = ["spawn", "settle", "meter", "fund", "expire", "close_pool"];

/** Where the two operations act. */
export type Place = "one pool" | "parent, then child" | "child, then parent" | "two children of one payer";

/** First operation and its answer, second operation and its answers after commit and after rollback; a code, or ok. */
export type Pair = readonly [first: Verb, answer: string, second: Verb, committed: string, rolledBack: string];

/** Both act on a pool of 100 tokens with at most one child, a leaf that holds 30. */
const ONE_POOL: readonly Pair[] = [
  ["spawn", "ok", "spawn", "budget-exhausted", "ok"],
  ["spawn", "ok", "settle", "ok", "ok"],
  ["spawn", "ok", "meter", "ok", "ok"],
  ["spawn", "ok", "fund", "not-free", "ok"],
  ["spawn", "ok", "expire", "ok", "ok"],
  ["spawn", "ok", "close_pool", "LG007", "ok"],
  ["settle", "ok", "spawn", "ok", "budget-exhausted"],
  ["settle", "ok", "settle", "LG004", "ok"],
  ["settle", "ok", "meter", "ok", "ok"],
  ["settle", "ok", "fund", "ok", "not-free"],
  ["settle", "ok", "expire", "ok", "ok"],
  ["settle", "ok", "close_pool", "ok", "LG007"],
  ["meter", "ok", "spawn", "budget-exhausted", "ok"],
  ["meter", "ok", "settle", "ok", "ok"],
  ["meter", "ok", "meter", "ok", "ok"],
  ["meter", "ok", "fund", "not-free", "ok"],
  ["meter", "ok", "expire", "ok", "ok"],
  ["meter", "ok", "close_pool", "ok", "ok"],
  ["fund", "ok", "spawn", "budget-exhausted", "ok"],
  ["fund", "ok", "settle", "ok", "ok"],
  ["fund", "ok", "meter", "ok", "ok"],
  ["fund", "ok", "fund", "not-free", "ok"],
  ["fund", "ok", "expire", "ok", "ok"],
  ["fund", "ok", "close_pool", "ok", "ok"],
  ["expire", "ok", "spawn", "ok", "ok"],
  ["expire", "ok", "settle", "ok", "ok"],
  ["expire", "ok", "meter", "ok", "ok"],
  ["expire", "ok", "fund", "ok", "not-free"],
  ["expire", "ok", "expire", "ok", "ok"],
  ["expire", "ok", "close_pool", "ok", "LG007"],
  ["close_pool", "ok", "spawn", "pool-closed", "ok"],
  ["close_pool", "LG007", "settle", "ok", "ok"],
  ["close_pool", "ok", "meter", "ok", "ok"],
  ["close_pool", "ok", "fund", "pool-closed", "ok"],
  ["close_pool", "LG007", "expire", "ok", "ok"],
  ["close_pool", "ok", "close_pool", "LG004", "ok"],
];

/** The parent's `settle` is that of the driver who owns the child pool. */
const PARENT_THEN_CHILD: readonly Pair[] = [
  ["spawn", "ok", "spawn", "ok", "ok"],
  ["spawn", "ok", "settle", "ok", "ok"],
  ["spawn", "ok", "meter", "ok", "ok"],
  ["spawn", "ok", "fund", "LG001", "LG001"],
  ["spawn", "ok", "expire", "ok", "ok"],
  ["spawn", "ok", "close_pool", "ok", "ok"],
  ["settle", "ok", "spawn", "pool-closed", "ok"],
  ["settle", "LG007", "settle", "ok", "ok"],
  ["settle", "ok", "meter", "ok", "ok"],
  ["settle", "ok", "fund", "LG001", "LG001"],
  ["settle", "LG007", "expire", "ok", "ok"],
  ["settle", "ok", "close_pool", "LG004", "ok"],
  ["meter", "ok", "spawn", "budget-exhausted", "ok"],
  ["meter", "ok", "settle", "ok", "ok"],
  ["meter", "ok", "meter", "ok", "ok"],
  ["meter", "ok", "fund", "LG001", "LG001"],
  ["meter", "ok", "expire", "ok", "ok"],
  ["meter", "ok", "close_pool", "ok", "ok"],
  ["fund", "ok", "spawn", "ok", "ok"],
  ["fund", "ok", "settle", "ok", "ok"],
  ["fund", "ok", "meter", "ok", "ok"],
  ["fund", "ok", "fund", "LG001", "LG001"],
  ["fund", "ok", "expire", "ok", "ok"],
  ["fund", "ok", "close_pool", "ok", "ok"],
  ["expire", "ok", "spawn", "pool-closed", "ok"],
  ["expire", "ok", "settle", "ok", "ok"],
  ["expire", "ok", "meter", "ok", "ok"],
  ["expire", "ok", "fund", "LG001", "LG001"],
  ["expire", "ok", "expire", "ok", "ok"],
  ["expire", "ok", "close_pool", "LG004", "ok"],
  ["close_pool", "LG007", "spawn", "ok", "ok"],
  ["close_pool", "LG007", "settle", "ok", "ok"],
  ["close_pool", "LG007", "meter", "ok", "ok"],
  ["close_pool", "LG007", "fund", "LG001", "LG001"],
  ["close_pool", "LG007", "expire", "ok", "ok"],
  ["close_pool", "LG007", "close_pool", "ok", "ok"],
];

const CHILD_THEN_PARENT: readonly Pair[] = [
  ["spawn", "ok", "spawn", "ok", "ok"],
  ["spawn", "ok", "settle", "LG007", "ok"],
  ["spawn", "ok", "meter", "ok", "ok"],
  ["spawn", "ok", "fund", "ok", "ok"],
  ["spawn", "ok", "expire", "ok", "ok"],
  ["spawn", "ok", "close_pool", "LG007", "LG007"],
  ["settle", "ok", "spawn", "ok", "ok"],
  ["settle", "ok", "settle", "ok", "LG007"],
  ["settle", "ok", "meter", "ok", "ok"],
  ["settle", "ok", "fund", "ok", "ok"],
  ["settle", "ok", "expire", "ok", "ok"],
  ["settle", "ok", "close_pool", "LG007", "LG007"],
  ["meter", "ok", "spawn", "budget-exhausted", "ok"],
  ["meter", "ok", "settle", "ok", "ok"],
  ["meter", "ok", "meter", "ok", "ok"],
  ["meter", "ok", "fund", "ok", "ok"],
  ["meter", "ok", "expire", "ok", "ok"],
  ["meter", "ok", "close_pool", "LG007", "LG007"],
  ["fund", "LG001", "spawn", "ok", "ok"],
  ["fund", "LG001", "settle", "ok", "ok"],
  ["fund", "LG001", "meter", "ok", "ok"],
  ["fund", "LG001", "fund", "ok", "ok"],
  ["fund", "LG001", "expire", "ok", "ok"],
  ["fund", "LG001", "close_pool", "LG007", "LG007"],
  ["expire", "ok", "spawn", "ok", "ok"],
  ["expire", "ok", "settle", "ok", "LG007"],
  ["expire", "ok", "meter", "ok", "ok"],
  ["expire", "ok", "fund", "ok", "ok"],
  ["expire", "ok", "expire", "ok", "ok"],
  ["expire", "ok", "close_pool", "LG007", "LG007"],
  ["close_pool", "ok", "spawn", "ok", "ok"],
  ["close_pool", "ok", "settle", "LG004", "ok"],
  ["close_pool", "ok", "meter", "ok", "ok"],
  ["close_pool", "ok", "fund", "ok", "ok"],
  ["close_pool", "ok", "expire", "ok", "ok"],
  ["close_pool", "ok", "close_pool", "ok", "LG007"],
];

/** Children whose dollars nobody declared meet at the pool that pays them, and only there. */
const SIBLINGS: readonly Pair[] = VERBS.flatMap((first) =>
  VERBS.map((second): Pair => {
    const alone = second === "fund" ? "LG001" : "ok";
    const committed = first === "meter" && second === "spawn" ? "budget-exhausted" : alone;
    return [first, first === "fund" ? "LG001" : "ok", second, committed, alone];
  }),
);

/** Every ordered pair in every place. */
export const PAIRS: Readonly<Record<Place, readonly Pair[]>> = {
  "one pool": ONE_POOL,
  "parent, then child": PARENT_THEN_CHILD,
  "child, then parent": CHILD_THEN_PARENT,
  "two children of one payer": SIBLINGS,
};
