/** How amounts, unknowns, bars and trees look. */
import { describe, expect, it } from "vitest";
import { channelBar, shareBar } from "../../src/cli/bars.js";
import { amount, dollars, instant, reported, visible } from "../../src/cli/output.js";
import { drawParts, drawTree } from "../../src/cli/tree.js";

describe("amounts", () => {
  it.each([
    ["0", "0"],
    ["999", "999"],
    ["1000", "1,000"],
    ["-1234567.000000000001", "-1,234,567.000000000001"],
    ["-0.5", "-0.5"],
    ["0.123456789012", "0.123456789012"],
    ["90071992547409930000", "90,071,992,547,409,930,000"],
    [null, "–"],
  ])("%s is printed as %s, exact", (text, printed) => {
    expect(amount(text)).toBe(printed);
  });

  it.each([
    ["12", true, "12"],
    ["0", true, "0"],
    ["0", false, "unknown"],
    ["0.00", false, "unknown"],
    [null, false, "unknown"],
    ["0.25", false, "0.25 ?"],
    ["-3", false, "-3 ?"],
    [null, null, "–"],
    ["5", null, "–"],
  ])("%s, known: %s, is printed as %s", (text, known, printed) => {
    expect(reported(text, known)).toBe(printed);
  });

  it.each([
    [{ usd: "0.5", usd_known: true, estimated_usd: "0", unknown_usd_events: "0" }, "0.5"],
    [{ usd: null, usd_known: true, estimated_usd: "0", unknown_usd_events: "0" }, "0"],
    [{ usd: "1234.5", usd_known: false, estimated_usd: "0.5", unknown_usd_events: "0" }, "~1,234.5"],
    [{ usd: "1234.5", usd_known: false, estimated_usd: "0.5", unknown_usd_events: "2" }, "~1,234.5 ?"],
    [{ usd: "0.5", usd_known: false, estimated_usd: "0", unknown_usd_events: "1" }, "0.5 ?"],
    [{ usd: "0.00", usd_known: false, estimated_usd: "0", unknown_usd_events: "1" }, "unknown"],
    [{ usd: null, usd_known: false, estimated_usd: "0", unknown_usd_events: "1" }, "unknown"],
    [{ usd: "0", usd_known: false, estimated_usd: "0", unknown_usd_events: "0" }, "~0"],
  ])("dollars %j are printed as %s", (spent, printed) => {
    expect(dollars(spent)).toBe(printed);
  });

  it("instants are to the second, in UTC", () => {
    expect(instant(new Date("2026-02-10T22:15:36.999Z"))).toBe("2026-02-10 22:15:36");
    expect(instant(null)).toBe("–");
  });
});

describe("text of others", () => {
  it.each([
    ["\u001b[31mred\u0007", "\\u{1b}[31mred\\u{7}"],
    ["a\nb\tc\r", "a\\u{a}b\\u{9}c\\u{d}"],
    ["\u007f\u009b31m", "\\u{7f}\\u{9b}31m"],
    ["\u202egnp.exe", "\\u{202e}gnp.exe"],
    ["a\u2028b\u2029c\u200b\u{e0041}", "a\\u{2028}b\\u{2029}c\\u{200b}\\u{e0041}"],
    ["Prüfung – 検査 ├─┬ 🙂", "Prüfung – 検査 ├─┬ 🙂"],
  ])("%j shows as %s", (text, shown) => {
    expect(visible(text)).toBe(shown);
    expect(visible(shown)).toBe(shown);
  });
});

describe("bars", () => {
  it.each([
    [{ total: "100", reserved: "25", committed: "50" }, "██████████▒▒▒▒▒░░░░░  "],
    [{ total: "100", reserved: "0", committed: "0" }, "░░░░░░░░░░░░░░░░░░░░  "],
    [{ total: "1000000", reserved: "1", committed: "1" }, "█▒░░░░░░░░░░░░░░░░░░  "],
    [{ total: "0", reserved: "0", committed: "0" }, "░░░░░░░░░░░░░░░░░░░░  "],
    [{ total: "100", reserved: "100", committed: "100" }, "██████████▒▒▒▒▒▒▒▒▒▒ !"],
    [{ total: null, reserved: "0", committed: "7" }, ""],
  ])("of %j", (channel, bar) => {
    expect(channelBar(channel)).toBe(bar);
  });

  it.each([
    ["50", "100", "██████████░░░░░░░░░░ 50.0%"],
    ["100", "100", "████████████████████  100%"],
    ["1", "100000", "█░░░░░░░░░░░░░░░░░░░ <0.1%"],
    ["0", "100", "░░░░░░░░░░░░░░░░░░░░  0.0%"],
    ["0", "0", ""],
  ])("of the share of %s in %s", (part, whole, bar) => {
    expect(shareBar(part, whole)).toBe(bar);
  });
});

describe("trees", () => {
  const node = (node_id: string, parent_node_id: string | null) => ({ node_id, parent_node_id, label: node_id });

  it("keep siblings in the order in which they were made, whatever order they come in", () => {
    const nodes = [node("r:s10", "r"), node("r:s2:s0", "r:s2"), node("r", "above"), node("r:s2", "r")];
    expect(drawTree(nodes).map(({ line, node }) => [line, node.node_id])).toEqual([
      ["r", "r"],
      ["├─┬ r:s2", "r:s2"],
      ["│ └── r:s2:s0", "r:s2:s0"],
      ["└── r:s10", "r:s10"],
    ]);
  });

  it("stay a line per node whatever a label holds", () => {
    const nodes = [node("r", null), { ...node("r:s0", "r"), label: "two\nlines" }, node("r:s1", "r")];
    expect(drawTree(nodes).map(({ line }) => line)).toEqual(["r", "├── two\\u{a}lines", "└── r:s1"]);
  });

  it("show the parts of a sum below it", () => {
    expect(drawParts("all", ["a", "b"])).toEqual(["all", "├── a", "└── b"]);
    expect(drawParts("all", [])).toEqual(["all"]);
  });
});
