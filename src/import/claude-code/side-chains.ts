/** Older releases wrote sub-agents into the session's main file, marked as side chains. Each chain is one child. */
import type { NumberedLine } from "./read.js";

/** Finds the child a side-chain line of a main file belongs to. */
export class SideChains {
  private readonly main = new Set<string>();
  private readonly childOf = new Map<string, string>();

  /** Takes note of a line of the main thread: chains begin below such lines. */
  see(uuid: string | undefined): void {
    if (uuid !== undefined) this.main.add(uuid);
  }

  /**
   * The child's id: the agent's where the line says it; else the uuid of the topmost side-chain line above it; where that line's
   * parent is missing from the file, the parent's uuid, so that fragments of one chain stay together.
   */
  childFor({ line, number }: NumberedLine): string {
    const { agentId, uuid, parentUuid } = line;
    const above = parentUuid === undefined || this.main.has(parentUuid) ? undefined : parentUuid;
    const id = agentId ?? (above === undefined ? (uuid ?? `line-${number}`) : (this.childOf.get(above) ?? above));
    if (uuid !== undefined) this.childOf.set(uuid, id);
    return id;
  }
}
