/** The work of a run that is killed: what there is to do, who does it, and what it is worth. */

/** Work of one worker: so many calls of the provider, one answer at the end. */
export interface Piece {
  readonly style: "one-shot" | "streaming";
  readonly calls: number;
  readonly score: number;
}

/** Work of a driver: a model's, that asks the provider what to do, or a program's. */
export interface Group {
  readonly drivenBy: "model" | "program";
  readonly parts: Readonly<Record<string, Piece | Group>>;
}

const piece = (style: Piece["style"], calls: number, score: number): Piece => ({ style, calls, score });

/** All of it, by key. Two drivers below the root, one of them with a third below it. */
export const WORK: Group = {
  drivenBy: "model",
  parts: {
    alpha: piece("one-shot", 1, 0.2),
    beta: piece("streaming", 3, 0.5),
    gamma: piece("one-shot", 2, 0.1),
    team: {
      drivenBy: "model",
      parts: { delta: piece("streaming", 2, 0.4), epsilon: piece("one-shot", 1, 0.9) },
    },
    crew: {
      drivenBy: "program",
      parts: {
        zeta: piece("one-shot", 1, 0.3),
        deep: { drivenBy: "program", parts: { eta: piece("streaming", 2, 0.6), theta: piece("one-shot", 1, 0.3) } },
      },
    },
  },
};

/** The best piece there is, which the run's result must be. */
export const BEST = "epsilon";

/** Label of the driver of the whole. */
export const ROOT = "root";

export function isGroup(part: Piece | Group): part is Group {
  return "parts" in part;
}

/** What a worker makes of a piece. */
export function madeOf(key: string): { readonly made: string } {
  return { made: `the work of ${key}` };
}

/** The group of that key; the root's under `ROOT`. */
export function groupOf(key: string): Group {
  const found = key === ROOT ? WORK : groups(WORK).get(key);
  if (!found) throw new Error(`no group ${key}`);
  return found;
}

function groups(group: Group): Map<string, Group> {
  const below = Object.entries(group.parts).filter((entry): entry is [string, Group] => isGroup(entry[1]));
  return new Map(below.flatMap(([key, inner]) => [[key, inner] as const, ...groups(inner)]));
}
