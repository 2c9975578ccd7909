/** Reads the files of a session: the driver's calls, its compactions, its children. Only calls are kept, not lines. */
import { relative } from "node:path";
import { type Call, Calls } from "./calls.js";
import type { SessionFiles } from "./folder.js";
import { part } from "./ids.js";
import { type Problem, Problems } from "./problems.js";
import { type NumberedLine, readSessionLines } from "./read.js";
import { SideChains } from "./side-chains.js";

/** A sub-agent. Times are in milliseconds, over all of its lines. */
export interface Child {
  readonly id: string;
  readonly calls: readonly Call[];
  /** When the session asked for it, where the main file says so. */
  readonly spawnedAt?: number;
  readonly firstAt?: number;
  readonly lastAt?: number;
}

/** What a session's files say. */
export interface Session {
  readonly id: string;
  /** How many files were read. */
  readonly files: number;
  /** Calls of the main thread, in order: their places are the turns. Undefined where the main file is missing. */
  readonly turns?: readonly Call[];
  /** Calls that summed the conversation up, the driver's own inference too. */
  readonly compactions: readonly Call[];
  readonly children: readonly Child[];
  /** Entries that look like calls and asked no model. */
  readonly synthetic: number;
  readonly firstAt?: number;
  readonly lastAt?: number;
  readonly problems: readonly Problem[];
}

/** Files (and older side chains) of this agent name are compactions. */
const COMPACTION = /^acompact-/;

/** The earliest and the latest instant seen. */
class Span {
  first?: number;
  last?: number;

  add(at: number): void {
    this.first = Math.min(this.first ?? at, at);
    this.last = Math.max(this.last ?? at, at);
  }

  get bounds(): { firstAt?: number; lastAt?: number } {
    return this.first === undefined || this.last === undefined ? {} : { firstAt: this.first, lastAt: this.last };
  }
}

/** Reads all files of a session. Lines later than `now` (milliseconds) have no time. */
export async function readSession(files: SessionFiles, root: string, now: number): Promise<Session> {
  const reader = new Reader(files.id, now);
  const problems: Problem[] = [];
  const read = async (path: string, take: (line: NumberedLine, problems: Problems) => void): Promise<boolean> => {
    const found = new Problems(relative(root, path));
    let any = false;
    for await (const line of readSessionLines(path, found)) {
      any = true;
      reader.span(line, reader.whole);
      take(line, found);
    }
    problems.push(...found.list());
    return any;
  };
  const mains = [...(files.main === undefined ? [] : [files.main]), ...(files.further ?? [])];
  let known = false;
  for (const path of mains) {
    if (await read(path, (line, found) => reader.takeMain(line, found))) known = true;
  }
  for (const { id, path } of files.agents) {
    reader.agent(id);
    await read(path, (line, found) => reader.takeAgent(id, line, found));
  }
  if (!known) {
    const file = files.main === undefined ? `${files.id}.jsonl` : relative(root, files.main);
    problems.push({ file, problem: "no line of the session's main file: what its driver used is unknown" });
  }
  const { turns, ...rest } = reader.result();
  return { id: files.id, files: files.agents.length + mains.length, ...(known ? { turns } : {}), ...rest, problems };
}

class Reader {
  readonly whole = new Span();
  private readonly main: Calls;
  private readonly agents = new Map<string, { calls: Calls; span: Span }>();
  private readonly chains = new SideChains();
  /** Tool uses of the main thread, by id: when. */
  private readonly asked = new Map<string, number>();
  private readonly spawned = new Map<string, number>();

  constructor(
    private readonly session: string,
    private readonly now: number,
  ) {
    this.main = new Calls(part(session), now);
  }

  span({ line }: NumberedLine, span: Span): void {
    if (line.timestamp !== undefined && line.timestamp <= this.now) span.add(line.timestamp);
  }

  agent(id: string): { calls: Calls; span: Span } {
    const agent = this.agents.get(id) ?? {
      calls: new Calls(`${part(this.session)}:${part(id)}`, this.now),
      span: new Span(),
    };
    this.agents.set(id, agent);
    return agent;
  }

  takeAgent(id: string, line: NumberedLine, problems: Problems): void {
    const { calls, span } = this.agent(id);
    this.span(line, span);
    calls.add(line, problems);
  }

  takeMain(numbered: NumberedLine, problems: Problems): void {
    const { line } = numbered;
    if (line.isSidechain === true) {
      this.takeAgent(this.chains.childFor(numbered), numbered, problems);
      return;
    }
    this.chains.see(line.uuid);
    this.main.add(numbered, problems);
    const { timestamp, toolUseResult } = line;
    for (const block of line.message?.content ?? []) {
      if (block?.type === "tool_use" && block.id !== undefined && timestamp !== undefined && timestamp <= this.now) {
        this.asked.set(block.id, timestamp);
      } else if (
        block?.type === "tool_result" &&
        block.tool_use_id !== undefined &&
        toolUseResult?.agentId !== undefined
      ) {
        const at = this.asked.get(block.tool_use_id);
        if (at !== undefined && !this.spawned.has(toolUseResult.agentId)) this.spawned.set(toolUseResult.agentId, at);
      }
    }
  }

  result(): Pick<Session, "compactions" | "children" | "synthetic" | "firstAt" | "lastAt"> & { turns: Call[] } {
    const main = this.main.list();
    let synthetic = main.synthetic;
    const compactions: Call[] = [];
    const children: Child[] = [];
    for (const [id, { calls, span }] of this.agents) {
      const listed = calls.list();
      synthetic += listed.synthetic;
      const spawnedAt = this.spawned.get(id);
      if (COMPACTION.test(id)) compactions.push(...listed.calls);
      else
        children.push({ id, calls: listed.calls, ...(spawnedAt === undefined ? {} : { spawnedAt }), ...span.bounds });
    }
    return { turns: main.calls, compactions, children, synthetic, ...this.whole.bounds };
  }
}
