/**
 * The two ways an operation can fail, raised before anything of it is booked.
 */

/** An error of the registry: the operation is malformed or impossible. */
export class Fault extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

/** A want that did not fit. */
export interface Shortfall {
  readonly channel: string;
  readonly requested: string;
  readonly free: string;
}

/** A business no: understood, kept, and not done. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    readonly poolId: string,
    readonly shortfall?: readonly Shortfall[],
  ) {
    super(code);
  }
}

/** Raises the error unless the condition holds. */
export function require(condition: boolean, code: string): asserts condition {
  if (!condition) throw new Fault(code);
}
