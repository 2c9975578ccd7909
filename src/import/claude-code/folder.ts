/** Finds session files: in a project's folder, in a folder of such folders, or one session by its file. */
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { Complaint } from "../../database/complaint.js";
import { type Problem, Problems } from "./problems.js";
import { readSessionLines } from "./read.js";

/** A sub-agent's file, `agent-<id>.jsonl`. */
export interface AgentFile {
  readonly id: string;
  readonly path: string;
}

/** The files of one session. Without `main`, only its sub-agents are left. */
export interface SessionFiles {
  readonly id: string;
  main?: string;
  /** Main files of the same session in other folders. */
  further?: readonly string[];
  readonly agents: AgentFile[];
}

/** What a folder holds. `root` is what paths in reports are relative to. */
export interface Found {
  readonly root: string;
  readonly sessions: SessionFiles[];
  readonly problems: Problem[];
}

/** Ids of sessions and agents become parts of ids of the ledger, which are at most 200 characters long. */
const NAME = /^[\x21-\x7e]{1,64}$/;
const AGENT = /^agent-(.*)\.jsonl$/s;
const SESSION = /^(?!agent-)(.*)\.jsonl$/s;

/** Answers what is there; a Complaint where no session is. */
export async function findSessions(path: string): Promise<Found> {
  const found = await look(path);
  if (found.sessions.length > 0) return found;
  throw new Complaint(
    `${path} holds no session of Claude Code. Looked for <session>.jsonl and <session>/subagents/agent-<id>.jsonl in it and in the ` +
      "folders in it; name a project's folder (~/.claude/projects/<project>), the folder of all projects, or one session's .jsonl file",
  );
}

async function look(path: string): Promise<Found> {
  const kind = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Complaint(`${path} cannot be read (${error.code}); name a folder with session files of Claude Code`);
  });
  if (!kind.isDirectory()) return only(dirname(path), SESSION.exec(basename(path))?.[1]);
  const inside = await list(path);
  if (inside.some(({ directory, name }) => directory && name === "subagents"))
    return only(dirname(path), basename(path));

  const project = await readProject(path, path);
  const sessions = new Map(project.sessions.map((session) => [session.id, session]));
  const problems = [...project.problems];
  const seen = new Set([await realpath(path)]);
  for (const name of project.others) {
    const folder = join(path, name);
    const real = await realpath(folder);
    if (seen.has(real)) {
      problems.push({ file: name, problem: "a link to a folder that is read already" });
      continue;
    }
    seen.add(real);
    const other = await readProject(folder, path);
    problems.push(...other.problems);
    if (other.sessions.length === 0) problems.push({ file: name, problem: "a folder without any session" });
    for (const session of other.sessions) {
      const known = sessions.get(session.id);
      sessions.set(session.id, known === undefined ? session : merged(known, session));
      if (known !== undefined)
        problems.push({ file: name, problem: `session ${session.id} is in another folder too: both are read as one` });
    }
  }
  return { root: path, sessions: [...sessions.values()], problems };
}

/** One session of which two folders hold files. */
function merged(a: SessionFiles, b: SessionFiles): SessionFiles {
  const [main, ...further] = [a, b].flatMap((files) => [files.main ?? [], files.further ?? []].flat());
  return { id: a.id, agents: [...a.agents, ...b.agents], ...(main === undefined ? {} : { main, further }) };
}

/** One session of a project. */
async function only(project: string, id: string | undefined): Promise<Found> {
  const { sessions, problems } = await readProject(project, project);
  const mine = sessions.filter((session) => session.id === id);
  return {
    root: project,
    sessions: mine,
    problems: problems.filter(({ file }) => id !== undefined && file.startsWith(id)),
  };
}

interface Project {
  readonly sessions: SessionFiles[];
  readonly problems: Problem[];
  /** Folders that belong to no session. */
  readonly others: string[];
}

async function readProject(folder: string, root: string): Promise<Project> {
  const sessions = new Map<string, SessionFiles>();
  const problems: Problem[] = [];
  const others: string[] = [];
  const sessionOf = (id: string): SessionFiles => {
    const session = sessions.get(id) ?? { id, agents: [] };
    sessions.set(id, session);
    return session;
  };
  const complain = (path: string, problem: string): void => {
    problems.push({ file: relative(root, path), problem });
  };

  const entries = await list(folder).catch((error: NodeJS.ErrnoException) => {
    complain(folder, `unreadable folder: ${error.code}`);
    return [];
  });
  for (const entry of entries) {
    const { path } = entry;
    const id = SESSION.exec(entry.name)?.[1];
    if (id !== undefined) {
      if (NAME.test(id)) sessionOf(id).main = path;
      else complain(path, "a session's name must be 1 to 64 visible ASCII characters");
    } else if (AGENT.test(entry.name)) {
      // Some releases wrote sub-agents beside the sessions; their lines say whose they are.
      const owner = await sessionNamedIn(path);
      if (owner !== undefined && NAME.test(owner)) addAgent(sessionOf(owner), path, complain);
      else complain(path, "a sub-agent that names no session");
    } else if (entry.directory) {
      const agents = await agentsBelow(join(path, "subagents"), complain);
      if (agents === undefined) others.push(entry.name);
      else if (!NAME.test(entry.name)) complain(path, "a session's name must be 1 to 64 visible ASCII characters");
      else for (const agent of agents) addAgent(sessionOf(entry.name), agent, complain);
    }
  }
  // A session's own folder may hold no sub-agents, but other things.
  return { sessions: [...sessions.values()], problems, others: others.filter((name) => !sessions.has(name)) };
}

function addAgent(session: SessionFiles, path: string, complain: (path: string, problem: string) => void): void {
  const id = AGENT.exec(basename(path))?.[1] ?? "";
  if (NAME.test(id)) session.agents.push({ id, path });
  else complain(path, "an agent's name must be 1 to 64 visible ASCII characters");
}

/** Files of sub-agents at any depth; undefined where there is no such folder. */
async function agentsBelow(
  folder: string,
  complain: (path: string, problem: string) => void,
  seen: Set<string> = new Set(),
): Promise<string[] | undefined> {
  try {
    const real = await realpath(folder);
    if (seen.has(real)) return [];
    seen.add(real);
    const files: string[] = [];
    for (const { name, path, directory } of await list(folder)) {
      if (AGENT.test(name)) files.push(path);
      else if (directory) files.push(...((await agentsBelow(path, complain, seen)) ?? []));
    }
    return files;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    complain(folder, `unreadable folder: ${code}`);
    return [];
  }
}

async function sessionNamedIn(path: string): Promise<string | undefined> {
  for await (const { line } of readSessionLines(path, new Problems(path))) {
    if (line.sessionId !== undefined) return line.sessionId;
  }
  return undefined;
}

/** What is in a folder; links count as what they lead to. */
interface Item {
  readonly name: string;
  readonly path: string;
  readonly directory: boolean;
}

/** Entries in the order of their names: reports read the same on every machine. */
async function list(folder: string): Promise<Item[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const items: Item[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const directory = entry.isSymbolicLink()
      ? await stat(path).then(
          (kind) => kind.isDirectory(),
          () => false,
        )
      : entry.isDirectory();
    items.push({ name: entry.name, path, directory });
  }
  return items;
}
