/** Calls the hooks: in order, never awaited, each by itself. What a hook does wrong changes nothing but what `onHookError` hears. */
import type { Hook, HookEvent } from "../hooks.js";
import { within } from "../scope/waiting.js";

export class HookChain {
  readonly #hooks: readonly Hook[];
  readonly #onError: ((error: unknown, event: HookEvent) => void | Promise<void>) | undefined;
  readonly #underWay = new Set<Promise<void>>();

  constructor(hooks: readonly Hook[], onError?: (error: unknown, event: HookEvent) => void | Promise<void>) {
    this.#hooks = hooks;
    this.#onError = onError;
  }

  /** Tells every hook. Each gets a copy, so that what one changes no other sees. */
  emit(event: HookEvent): void {
    for (const hook of this.#hooks) this.#call(() => hook(structuredClone(event)), event);
  }

  /** Waits for hooks under way, those that they bring about included, at most `graceMs`. */
  async settled(graceMs: number): Promise<void> {
    const all = async (): Promise<void> => {
      while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    };
    if (this.#underWay.size > 0) await within(all(), AbortSignal.abort(), () => graceMs);
  }

  #call(call: () => unknown, event: HookEvent): void {
    const failed = (error: unknown): Promise<void> | void => this.#failed(error, event);
    try {
      const answer = call();
      if (isThenable(answer)) this.#track(Promise.resolve(answer).then(() => undefined, failed));
    } catch (error) {
      const told = failed(error);
      if (told) this.#track(told);
    }
  }

  /** There is nobody left to hear what the hearer of errors does wrong. */
  #failed(error: unknown, event: HookEvent): Promise<void> | void {
    try {
      const told: unknown = this.#onError?.(error, event);
      if (isThenable(told)) {
        return Promise.resolve(told).then(
          () => undefined,
          () => undefined,
        );
      }
    } catch {}
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
