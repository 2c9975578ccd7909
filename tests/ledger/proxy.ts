/** A bad way between client and server: it cuts, delays and refuses connections as a test tells it to. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What happens to one connection. */
export interface Fate {
  /** `request`: cut when so many bytes of the client's have gone through; `answer`: of the server's; `silence`: the next answer after that is lost whole. */
  readonly cut: "request" | "answer" | "silence" | "never";
  readonly afterBytes: number;
  /** How the client learns of it: by an orderly end, or by a reset. */
  readonly how: "end" | "reset";
  /** How late each piece of an answer is. */
  readonly delayMs: number;
}

/** A proxy on the loopback interface. */
export interface BadWay {
  readonly port: number;
  /** How many connections it has cut, by where. */
  readonly cuts: Record<Fate["cut"], number>;
  /** Whether newcomers are turned away. */
  refusing: boolean;
  stop(): Promise<void>;
}

/** Starts a proxy before `url`; `decide` says what becomes of each connection. */
export async function startProxy(url: string, decide: () => Fate): Promise<BadWay> {
  const { hostname, port } = new URL(url);
  const open = new Set<Socket>();
  const proxy = { refusing: false, cuts: { request: 0, answer: 0, silence: 0, never: 0 } };
  const server = createServer((client) => {
    open.add(client);
    client.on("close", () => open.delete(client)).on("error", () => {});
    if (proxy.refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    open.add(upstream);
    upstream.on("close", () => open.delete(upstream)).on("error", () => {});
    const fate = decide();
    join(client, upstream, fate, () => {
      proxy.cuts[fate.cut] += 1;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(proxy, {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  });
}

function join(client: Socket, upstream: Socket, fate: Fate, onCut: () => void): void {
  let cut = false;
  const sever = (): void => {
    if (cut) return;
    cut = true;
    onCut();
    // The server hears of it too, and finishes what it was told to do.
    if (fate.how === "reset") client.resetAndDestroy();
    else client.destroySoon();
    upstream.destroySoon();
  };
  const pump = (from: Socket, to: Socket, where: Fate["cut"], delayMs: number): void => {
    let left = where === fate.cut ? fate.afterBytes : Number.POSITIVE_INFINITY;
    const pass = (piece: Buffer): void => {
      if (cut) return;
      if (piece.length > left) {
        to.write(piece.subarray(0, left), sever);
        left = 0;
      } else {
        left -= piece.length;
        to.write(piece);
      }
    };
    from.on("data", (piece: Buffer) => {
      if (delayMs > 0) setTimeout(() => pass(piece), delayMs);
      else pass(piece);
    });
    from.on("close", () => setTimeout(() => to.destroySoon(), delayMs));
  };
  pump(client, upstream, "request", 0);
  if (fate.cut !== "silence") {
    pump(upstream, client, "answer", fate.delayMs);
    return;
  }
  let sent = 0;
  upstream.on("data", (piece: Buffer) => {
    if (sent > fate.afterBytes) sever();
    else client.write(piece);
    sent += piece.length;
  });
  upstream.on("close", () => client.destroySoon());
  client.on("close", () => upstream.destroySoon());
}
