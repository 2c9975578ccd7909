/** Drawing a run's nodes as a tree. */
import { renderTree, type TreeNode } from "@pnpm/text.tree-renderer";
import { visible } from "./output.js";

/** What a node must have to be drawn. */
export interface Drawable {
  readonly node_id: string;
  readonly parent_node_id: string | null;
  readonly label: string;
}

/** Beside each other as they were made: `run:s2` before `run:s10`. */
const { compare } = new Intl.Collator("en", { numeric: true });

/** A line per node, parents before children, beside the node itself. */
export function drawTree<T extends Drawable>(nodes: readonly T[]): { line: string; node: T }[] {
  const ids = new Set(nodes.map((node) => node.node_id));
  const childrenOf = new Map<string | null, T[]>();
  for (const node of nodes.toSorted((a, b) => compare(a.node_id, b.node_id))) {
    // The root of a run may have a parent: the node of the pool above, which is not part of the run.
    const parent = node.parent_node_id !== null && ids.has(node.parent_node_id) ? node.parent_node_id : null;
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), node]);
  }
  const inOrder: T[] = [];
  const branch = (node: T): TreeNode => {
    inOrder.push(node);
    // A line break in a label would make two lines of one node.
    return { label: visible(node.label), nodes: (childrenOf.get(node.node_id) ?? []).map(branch) };
  };
  const lines = (childrenOf.get(null) ?? []).flatMap((root) => renderTree(branch(root)).trimEnd().split("\n"));
  return inOrder.map((node, index) => ({ line: lines[index] ?? visible(node.label), node }));
}

/** The same for a list of parts under their sum: labels with the branches before them. */
export function drawParts(whole: string, parts: readonly string[]): string[] {
  return renderTree({ label: whole, nodes: parts.map(visible) })
    .trimEnd()
    .split("\n");
}
