/** The figures that have a target, as a picture (SVG): how many times better than its target each is, with the range of its rounds. */
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Figure } from "./case.js";
import { figuresOf, type Report } from "./report.js";

/** Beyond these nobody needs to see how far: retries of none at all are endlessly better. */
const EDGES = [0.01, 100] as const;
const WIDTH = 420;

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

/** Where a value stands to its target: 1 = just met, more is better. */
function better({ target }: Figure, value: number): number {
  if (!target) return Number.NaN;
  const times = target.bound === ">=" ? value / target.value : target.value / value;
  const [least, most] = EDGES;
  // 0 where at most 0 is wanted.
  return Math.min(most, Math.max(least, Number.isNaN(times) ? most : times));
}

function rowOf(figure: Figure): Record<string, string | number> {
  const { name, unit, measured, baseline, value, target, met } = figure;
  const sides = baseline ? `${measured.what} : ${baseline.what}` : measured.what;
  const ends = [better(figure, value.least), better(figure, value.most)];
  return {
    label: `${name} — ${unit === "/s" ? sides : `${sides} (${unit})`}`,
    median: better(figure, value.median),
    least: Math.min(...ends),
    most: Math.max(...ends),
    text: `${digits(value.median)}${baseline ? "×" : ""}  (${target?.bound === "<=" ? "≤" : "≥"} ${target?.value})`,
    met: met ? "met" : "missed",
  };
}

function specOf(report: Report): TopLevelSpec {
  const scale = { type: "log" as const, domain: [...EDGES] };
  const at = (field: string) => ({ field, type: "quantitative" as const, scale, title: "times better" });
  const axis = { labelLimit: 900, labelFontSize: 11, domain: false, ticks: false };
  const y = { field: "label", type: "nominal" as const, sort: null, title: null, axis };
  const colors = { domain: ["met", "missed"], range: ["#2b7a4b", "#c0392b"] };
  const legend = { orient: "top" as const, symbolOpacity: 1 };
  const color = { field: "met", type: "nominal" as const, title: null, legend, scale: colors };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: { text: "How many times better than its target", subtitle: captionOf(report), anchor: "start" },
    width: WIDTH,
    height: { step: 20 },
    background: "white",
    padding: 12,
    data: {
      values: figuresOf(report)
        .filter(({ target }) => target)
        .map(rowOf),
    },
    layer: [
      {
        mark: { type: "rule", color: "#888", strokeDash: [4, 3] },
        encoding: { x: { datum: 1, type: "quantitative", scale } },
      },
      {
        mark: { type: "rule", strokeWidth: 3, opacity: 0.4 },
        encoding: { x: at("least"), x2: { field: "most" }, y, color },
      },
      { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x: at("median"), y, color } },
      {
        mark: { type: "text", align: "left", fontSize: 11 },
        encoding: { x: { value: WIDTH + 12 }, y, text: { field: "text" } },
      },
    ],
    config: { font: "sans-serif", view: { stroke: "#ddd" } },
  };
}

/** The picture. */
export async function plotOf(report: Report): Promise<string> {
  const view = new View(parse(compile(specOf(report)).spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

function captionOf({ date, machine, server, ledger }: Report): string {
  return `agent-ledger ${ledger.version}, Postgres ${server.server_version}, ${machine.cores} cores, ${date.slice(0, 10)}. Right of 1 = met; lines are single rounds.`;
}
