/** Spend as bars of text, all of one width. They show proportions; the exact amounts stand beside them. */

const WIDTH = 20;

/** What the parts of a channel's bar are drawn with. */
const COMMITTED = "█";
const RESERVED = "▒";
const FREE = "░";

/** Says what the parts of `channelBar` mean. */
export const BAR_LEGEND = `${COMMITTED} committed  ${RESERVED} reserved  ${FREE} free  ! more committed and reserved than there was`;

/** The balance of a capped channel; empty for one that is only observed, which is a part of nothing. */
export function channelBar(channel: { total: string | null; reserved: string; committed: string }): string {
  if (channel.total === null) return "";
  const [total, reserved, committed] = [channel.total, channel.reserved, channel.committed].map(Number) as [
    number,
    number,
    number,
  ];
  // Overdrawn: the bar shows how committed and reserved compare with each other.
  const whole = Math.max(total, reserved + committed);
  const full = cells(committed, whole);
  const held = Math.min(cells(reserved, whole), WIDTH - full);
  const bar = COMMITTED.repeat(full) + RESERVED.repeat(held) + FREE.repeat(WIDTH - full - held);
  return reserved + committed > total ? `${bar} !` : `${bar}  `;
}

/** A part of a whole: bar and percentage; empty where there is no whole. */
export function shareBar(part: string, whole: string): string {
  const share = Number(part) / Number(whole);
  if (!Number.isFinite(share)) return "";
  const full = cells(share, 1);
  return `${COMMITTED.repeat(full)}${FREE.repeat(WIDTH - full)} ${percent(share).padStart(5)}`;
}

/** Something that is not nothing shows as at least one cell. */
function cells(part: number, whole: number): number {
  if (!(part > 0 && whole > 0)) return 0;
  return Math.min(WIDTH, Math.max(1, Math.round((WIDTH * part) / whole)));
}

function percent(share: number): string {
  return share > 0 && share < 0.001 ? "<0.1%" : `${(share * 100).toFixed(share >= 0.9995 ? 0 : 1)}%`;
}
