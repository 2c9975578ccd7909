/**
 * Arithmetic of movements.
 */
import type { Movement, Movements } from "./state.js";

const NOTHING: Movement = { spent: 0n, uncertain: 0n, unknown: 0, seals: 0 };

/** What turns `before` into `after`. */
export function change(before: Movements, after: Movements): Movements {
  const names = new Set([...before.keys(), ...after.keys()]);
  return new Map(
    [...names].map((name) => {
      const was = before.get(name) ?? NOTHING;
      const is = after.get(name) ?? NOTHING;
      return [
        name,
        {
          spent: is.spent - was.spent,
          uncertain: is.uncertain - was.uncertain,
          unknown: is.unknown - was.unknown,
          seals: is.seals - was.seals,
        },
      ];
    }),
  );
}

/** Whether it does anything at all to a channel. */
export function moves({ spent, uncertain, unknown, seals }: Movement): boolean {
  return spent !== 0n || uncertain !== 0n || unknown !== 0 || seals !== 0;
}
