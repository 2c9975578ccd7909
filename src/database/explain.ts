/** What a person can do about an error, in one sentence. */
import pg from "pg";
import { Complaint } from "./complaint.js";
import { sessionConfig } from "./connect.js";

/** Where a URL leads, what it leaves out filled in as for a connection. */
type Target = Pick<pg.Client, "host" | "port" | "user" | "database">;

const unreachable = ({ host, port }: Target): string => `${host}:${port} cannot be reached: correct host and port`;
const unknownHost = ({ host }: Target): string => `host ${host} is not known: correct it`;

/** By the code of the error: SQLSTATEs, and what Node says of connections. */
const SENTENCES: Readonly<Record<string, (target: Target, message: string) => string>> = {
  ECONNREFUSED: ({ host, port }) => `nothing listens on ${host}:${port}: start the server, or correct host and port`,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: unreachable,
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
  // The server's answers.
  "3D000": ({ database }) => `database ${database} does not exist: createdb ${database}`,
  "28P01": ({ user }) => `the server refused the password of ${user}: correct user and password`,
  "28000": (_, message) => `${message}: correct the user, or let it in by pg_hba.conf`,
  "42501": ({ user }, message) => `${message}: the migration makes roles and needs a superuser, which ${user} is not`,
};

const FORM = "postgres://user:password@host:5432/database";

/** The sentence for an error met in a database of ours or in that of `databaseUrl`; undefined for a surprise. */
export function explain(error: unknown, databaseUrl?: string): string | undefined {
  for (let link = error; link instanceof Error; link = link.cause) {
    if (link instanceof Complaint) return link.message;
    const sentence = databaseUrl === undefined ? undefined : aboutUrl(link, databaseUrl);
    if (sentence) return `DATABASE_URL: ${sentence}`;
  }
  return undefined;
}

function aboutUrl(error: Error & { readonly code?: unknown }, url: string): string | undefined {
  if (error.code === "ERR_INVALID_URL") return `not of the form ${FORM}`;
  // The driver's complaint about a password that it was not given has no code.
  if (error.message.startsWith("SASL:")) return "the server asks for a password: put it into the URL";
  const code = String(error.code);
  const sentence = Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : undefined;
  if (!sentence) return undefined;
  // Anything else is taken for the name of a database on some host.
  if (!/^postgres(?:ql)?:\/\//.test(url)) return `not of the form ${FORM}`;
  return sentence(new pg.Client(sessionConfig(url)), error.message);
}
