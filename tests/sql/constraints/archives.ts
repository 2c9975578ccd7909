/** Breaches of the archive and its record. The fixture has an archived run. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

const record = (changes: Readonly<Record<string, unknown>>): string =>
  copyOf("archives", "true", { first_seq: 900, last_seq: 900, events: 1, ...changes });

export const ARCHIVE_BREACHES: readonly Breach[] = [
  unique("journal_archive_pkey", "an event archived twice", copyOf("journal_archive", "seq = 1", {}), {
    alsoBreaks: ["journal_archive_enter"],
  }),
  unique("usage_lines_archive_pkey", "a line archived twice", copyOf("usage_lines_archive", "line = 0", {}), {
    alsoBreaks: ["usage_lines_archive_enter"],
  }),
  unique("archives_pkey", "a stretch recorded twice", copyOf("archives", "true", {})),
  foreignKey("archives_pool_fkey", "a stretch of no pool", record({ pool_id: "nobody" })),
  check("archives_stretch_whole", "a stretch that ends before it begins", record({ last_seq: 899, events: 0 })),
  check("archives_stretch_whole", "more events than it has places", record({ events: 2 })),
  check("archives_digest_sha256", "an export without a digest", record({ export_digest: "sha256:00" })),
];
