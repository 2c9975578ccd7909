/**
 * Hints that there is something to read. They may come late, twice or never: the feed reads by `seq` and looks by itself from
 * time to time. They are sent by the client after its calls, not by the transactions, because a NOTIFY makes every commit of the
 * server wait for its turn.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { announce, follow } from "./call.js";

/** At most one announcement per this time and process. */
const ANNOUNCE_EVERY_MS = 100;

/** How long the feed waits without a hint before it looks. */
const LOOK_EVERY_MS = 2_000;

type Connect = () => Promise<pg.PoolClient>;

/** Tells others, throttled: at once after a quiet while, then once more after a burst. */
export class Announcer {
  #timer: NodeJS.Timeout | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly connect: Connect,
    private readonly tenantId: string,
  ) {}

  note(): void {
    if (this.#timer) return;
    const wait = Math.max(0, this.#lastAt + ANNOUNCE_EVERY_MS - performance.now());
    this.#timer = setTimeout(() => this.#announce(), wait);
    this.#timer.unref();
  }

  /** Sends what is waiting. */
  async flush(): Promise<void> {
    if (this.#timer) this.#announce();
    await this.#sending;
  }

  #announce(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastAt = performance.now();
    // Whoever missed it looks by itself.
    this.#sending = this.#send().catch(() => {});
  }

  async #send(): Promise<void> {
    const client = await this.connect();
    let fit = false;
    try {
      await announce(client, this.tenantId);
      fit = true;
    } finally {
      client.release(!fit);
    }
  }
}

/** Hears others on one connection, which is had when the first feed waits and given back when the last one ends. */
export class Listener {
  #session: Session | undefined;
  #feeds = 0;
  /** Counts hints, so that one that comes while a feed is reading is not lost. */
  #hints = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly connect: Connect,
    private readonly tenantId: string,
  ) {}

  /** One feed more; `leave` ends it. `next` settles at a hint it has not heard yet, or when it is time to look anyway. */
  open(): { next(signal: AbortSignal | undefined): Promise<void>; leave(): void } {
    this.#feeds += 1;
    let heard = this.#hints;
    return {
      next: async (signal) => {
        this.#session ??= this.#listen();
        if (heard === this.#hints) await this.#wait(signal);
        heard = this.#hints;
      },
      leave: () => {
        this.#feeds -= 1;
        if (this.#feeds === 0) void this.close();
      },
    };
  }

  /** Gives the connection back; a feed that goes on waiting has another. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#hint();
    await session?.end();
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController();
    const wake = (): void => over.abort();
    this.#waiting.add(wake);
    const signals = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
    await sleep(LOOK_EVERY_MS, undefined, { signal: signals }).catch(() => {});
    this.#waiting.delete(wake);
  }

  #listen(): Session {
    const session = new Session(this.connect, this.tenantId, () => this.#hint());
    // The next wait connects again; a session that was replaced meanwhile is nobody's any more.
    void session.over.then(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }

  #hint(): void {
    this.#hints += 1;
    for (const wake of this.#waiting) wake();
  }
}

/** One connection that listens, from being asked for to being given back, which happens once. */
class Session {
  /** Settles when it hears no more, for whatever reason. */
  readonly over: Promise<void>;
  readonly #asked: Promise<pg.PoolClient | undefined>;
  #end: () => void = () => {};

  constructor(connect: Connect, tenantId: string, hint: () => void) {
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#asked = this.#listen(connect, tenantId, hint);
    // Nobody else should get a connection that listens.
    void Promise.all([this.#asked, this.over]).then(([client]) => client?.release(true));
  }

  async end(): Promise<void> {
    this.#end();
    await this.#asked;
  }

  async #listen(connect: Connect, tenantId: string, hint: () => void): Promise<pg.PoolClient | undefined> {
    const client = await connect().catch(() => undefined);
    if (!client) {
      this.#end();
      return undefined;
    }
    client.on("notification", hint);
    client.once("error", this.#end);
    // What came before it listened is found by looking once more.
    await follow(client, tenantId).then(hint, this.#end);
    return client;
  }
}
