/** Where sessions are looked for. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Complaint } from "../../src/database/complaint.js";
import { findSessions } from "../../src/import/claude-code/folder.js";
import { assistant, folderOf, temporaryFolder } from "./files.js";

describe("a folder", () => {
  const call = [assistant({ id: "a" })];
  const names = async (path: string) =>
    (await findSessions(path)).sessions.map(({ id, main: file, agents }) => [
      id,
      file !== undefined,
      ...agents.map((agent) => agent.id),
    ]);

  it("may be a project, a folder of projects, a session's folder, or one session's file", async () => {
    const folder = folderOf({
      "p/s.jsonl": call,
      "p/s/subagents/agent-1.jsonl": call,
      "p/t/subagents/agent-2.jsonl": call,
      "p/s/tool-results/x.txt": "x",
      "p/s/subagents/deep/agent-3.jsonl": call,
      "q/u.jsonl": call,
      "q/notes.md": "x",
      "r/x.txt": "x",
    });
    const s = ["s", true, "1", "3"];
    const t = ["t", false, "2"];
    expect(await names(join(folder, "p"))).toEqual([s, t]);
    expect(await names(folder)).toEqual([s, t, ["u", true]]);
    expect(await names(join(folder, "p/s.jsonl"))).toEqual([s]);
    expect(await names(join(folder, "p/t"))).toEqual([t]);
    expect((await findSessions(folder)).problems).toEqual([{ file: "r", problem: "a folder without any session" }]);
  });

  it("may hold sub-agents beside the sessions, as older releases wrote them", async () => {
    const line = { ...assistant({ id: "b", agent: "9", side: true }), sessionId: "s" };
    const folder = folderOf({ "agent-9.jsonl": [line], "s.jsonl": call, "agent-8.jsonl": "" });
    expect(await names(folder)).toEqual([["s", true, "9"]]);
    expect((await findSessions(folder)).problems).toEqual([
      { file: "agent-8.jsonl", problem: "a sub-agent that names no session" },
    ]);
  });

  it.each([
    ["an empty folder", () => temporaryFolder()],
    ["other files", () => folderOf({ "a.txt": "a", "b/c.txt": "c" })],
    ["another file", () => join(folderOf({ "a.txt": "a" }), "a.txt")],
    ["nothing", () => join(temporaryFolder(), "nowhere")],
  ])("of %s is complained about", async (_, make) => {
    await expect(findSessions(make())).rejects.toThrow(Complaint);
  });

  it("complains with what was looked for", async () => {
    await expect(findSessions(temporaryFolder())).rejects.toThrow(
      /<session>\.jsonl and <session>\/subagents\/agent-<id>\.jsonl/,
    );
  });
});
