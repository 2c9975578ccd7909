/** Breaches of channels: the arithmetic of a balance. `capped` is the tokens row of the run, `observed` its dollars. */
import { type Breach, check, copyOf, foreignKey, unique } from "./breach.js";

const update = (channel: string, assignment: string): string =>
  `update ledger_private.channels set ${assignment} where pool_id = 'run' and channel = '${channel}'`;
const capped = (assignment: string): string => update("tokens", assignment);
const observed = (assignment: string): string => update("usd", assignment);
/** The dollars of the top pool, of which fractions may be held. */
const dollars = (assignment: string): string =>
  `update ledger_private.channels set ${assignment} where pool_id = 'top' and channel = 'usd'`;
const where = "pool_id = 'run' and channel = 'usd'";

const KEYS: readonly Breach[] = [
  unique("channels_pkey", "a second row of a channel", copyOf("channels", where, {})),
  foreignKey("channels_pool_fkey", "a channel of no pool", copyOf("channels", where, { pool_id: "nowhere" })),
  foreignKey("channels_payer_fkey", "a payer that is no pool", observed("payer_pool_id = 'nowhere'")),
  foreignKey(
    "channels_payer_fkey",
    "a payer without that channel",
    copyOf("channels", where, { channel: "gpu_hours" }),
  ),
];

const BALANCES: readonly Breach[] = [
  check("channels_capped_adds_up", "free that appears from nowhere", capped("free = free + 1")),
  check("channels_capped_adds_up", "a hold that free does not lack", capped("reserved = reserved + 1")),
  check("channels_capped_adds_up", "spend that free does not lack", capped("committed = committed + 1")),
  check("channels_capped_adds_up", "a total without free", capped("free = null")),
  check("channels_uncapped_only_observed", "free without a total", observed("free = 0")),
  check("channels_uncapped_only_observed", "a hold without a total", observed("reserved = 1")),
  check("channels_uncapped_only_observed", "a total that goes and leaves free", capped("total = null"), {
    alsoBreaks: ["channels_uncapped_pays_elsewhere"],
  }),
  check("channels_total_not_negative", "a total below zero", capped("total = -1, free = -1 - reserved - committed")),
  check("channels_reserved_not_negative", "a hold below zero", capped("reserved = -1, free = total + 1 - committed")),
  check("channels_committed_not_negative", "spend below zero", observed("committed = -1"), {
    alsoBreaks: ["channels_uncertain_within_committed"],
  }),
  check("channels_uncertain_within_committed", "less than nothing uncertain", observed("uncertain = -1"), {
    alsoBreaks: ["channels_remainder_only_sealed"],
  }),
  check("channels_uncertain_within_committed", "more uncertain than spent", observed("uncertain = committed + 1")),
  check("channels_counts_whole", "half a token in all", capped("total = total + 0.5, free = free + 0.5")),
  check("channels_counts_whole", "half a token held", capped("reserved = reserved + 0.5, free = free - 0.5")),
  check("channels_counts_whole", "half a token spent", capped("committed = committed + 0.5, free = free - 0.5")),
  check(
    "channels_counts_whole",
    "half a token uncertain",
    capped("uncertain = 0.5, committed = 1, free = free - 1 + committed"),
  ),
  check(
    "channels_counts_whole",
    "half a round spent",
    update("iterations", "committed = committed + 0.5, free = free - 0.5"),
  ),
];

/** The rows around the amount are such that its own bound is the only one to see it. */
const NO_NUMBERS: readonly Breach[] = [
  check("channels_amounts_finite", "free, and a total, that are no number", capped("total = 'NaN', free = 'NaN'")),
  check("channels_amounts_finite", "a hold that is no number", capped("reserved = 'NaN', total = 'NaN'")),
  check("channels_amounts_finite", "spend that is no number", observed("committed = 'NaN'")),
  check("channels_amounts_finite", "uncertain that is no number", observed("committed = 'NaN', uncertain = 'NaN'")),
  check(
    "channels_amounts_finite",
    "a remainder that is no number",
    dollars("total = 'NaN', committed = 'NaN', uncertain = 'NaN', remainder = 'NaN', seals = 1, unknown = 1"),
  ),
];

const SEALS: readonly Breach[] = [
  check("channels_remainder_only_sealed", "a remainder below zero", dollars("remainder = -1, seals = 1, unknown = 1")),
  check(
    "channels_remainder_only_sealed",
    "a remainder that is not uncertain",
    dollars("remainder = uncertain + 0.1, seals = 1, unknown = 1"),
  ),
  check(
    "channels_remainder_only_sealed",
    "a remainder that nothing sealed",
    dollars("remainder = 0.1, uncertain = 0.1"),
  ),
  check("channels_seals_within_unknown", "fewer than no unknown events", observed("unknown = -1")),
  check("channels_seals_within_unknown", "fewer than no seals", dollars("seals = -1")),
  check("channels_seals_within_unknown", "a seal that nothing unknown set", dollars("seals = 1")),
  check("channels_seals_within_unknown", "a seal on what is not capped", observed("seals = 1, unknown = 1")),
];

const PAYERS: readonly Breach[] = [
  check("channels_capped_pays_itself", "a cap that another pool pays", capped("payer_pool_id = 'top'")),
  check("channels_capped_pays_itself", "a cap that nobody pays", capped("payer_pool_id = null")),
  check("channels_uncapped_pays_elsewhere", "a pool that pays without a cap", observed("payer_pool_id = pool_id")),
];

export const CHANNEL_BREACHES: readonly Breach[] = [...KEYS, ...BALANCES, ...NO_NUMBERS, ...SEALS, ...PAYERS];
