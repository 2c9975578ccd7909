/** TCP ports of the loopback interface. */
import { createServer } from "node:net";

/** The address every server of ours listens on, and no other. */
export const LOOPBACK = "127.0.0.1";

/** A port that was free a moment ago; whoever binds it must be ready to lose it. */
export function freePort(): Promise<number> {
  return bind(0);
}

/** Whether nobody listens on that port now. */
export async function isFree(port: number): Promise<boolean> {
  return bind(port).then(
    () => true,
    () => false,
  );
}

function bind(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, LOOPBACK, () => {
      const address = server.address();
      server.close(() => {
        if (address && typeof address === "object") resolve(address.port);
        else reject(new Error("no TCP address"));
      });
    });
  });
}
