/** What a driver's conversation begins with. */
import type { Child, Scope } from "../scope.js";
import type { ChatMessage } from "./chat.js";
import { bounded, jsonText, MESSAGE_CHARACTERS } from "./text.js";

const SYSTEM = `You coordinate workers. You do not do the work yourself: spawn_worker gives a task to a worker, await_event tells what \
happened next, observe_worker looks at one worker, steer_worker sends it an instruction. Workers cost budget; a refused spawn says what \
was short. Your result is the best valid result of your workers, not what you write. When nothing is left to do, answer without \
calling a tool.`;

/** The system message, and the task; after a restart, what the ledger knows of the children of earlier lives. */
export async function opening(scope: Scope, task: string, system: string = SYSTEM): Promise<ChatMessage[]> {
  const children = await scope.children();
  const content = children.length === 0 ? task : `${task}\n\n${earlier(children)}`;
  return [
    { role: "system", content: system },
    { role: "user", content },
  ];
}

/** The newest children in full, as many as a message holds. */
function earlier(children: readonly Child[]): string {
  const lines = children.map((child) => {
    const { nodeId, label, key, status, verdict, reason, outRef } = child;
    return bounded(
      jsonText({ workerId: nodeId, label, key, status, verdict, reason: reason ?? undefined, outRef }),
      1_000,
    );
  });
  let room = MESSAGE_CHARACTERS;
  const shown: string[] = [];
  for (const line of lines.toReversed()) {
    room -= line.length + 1;
    if (room < 0) break;
    shown.unshift(line);
  }
  const omitted = lines.length - shown.length;
  return [
    "You were restarted, and what was said before is lost. Workers of before, as the ledger has them:",
    ...(omitted > 0 ? [`(${omitted} earlier ones are left out)`] : []),
    ...shown,
  ].join("\n");
}
