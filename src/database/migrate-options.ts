/** Apart from the migration itself, so that whoever compiles against the client needs no types of the migration's libraries. */

/** How to migrate. */
export interface MigrateOptions {
  /** Receives a line per step; nothing is printed without it. */
  readonly log?: (line: string) => void;
  /** How long to wait for another migration of the same database before giving up. */
  readonly patienceMs?: number;
}
