/** Drawing a run's nodes as a tree. */
import { renderTree, type TreeNode } from "@pnpm/text.tree-renderer";

interface Node {
  readonly node_id: string;
  readonly parent_node_id: string | null;
  readonly label: string;
}

/** A line per node, parents before children and siblings in the order given, beside the node itself. */
export function drawTree<T extends Node>(nodes: readonly T[]): { line: string; node: T }[] {
  const ids = new Set(nodes.map((node) => node.node_id));
  const inOrder: T[] = [];
  const branch = (node: T): TreeNode => {
    inOrder.push(node);
    const children = nodes.filter((child) => child.parent_node_id === node.node_id);
    return { label: node.label, nodes: children.map(branch) };
  };
  // The root of a run may have a parent: the node of the pool above, which is not part of the run.
  const roots = nodes.filter((node) => node.parent_node_id === null || !ids.has(node.parent_node_id));
  const lines = roots.flatMap((root) => renderTree(branch(root)).trimEnd().split("\n"));
  return inOrder.map((node, index) => ({ line: lines[index] ?? node.label, node }));
}
