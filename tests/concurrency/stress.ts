/** How much longer than in everyday runs the tests under load shall be: STRESS=20 makes them twenty times as long. */
export const STRESS = Number(process.env.STRESS ?? 1);

/** The time limit of a test whose everyday run is given a minute. */
export const PATIENCE_MS = 60_000 * (1 + STRESS);
