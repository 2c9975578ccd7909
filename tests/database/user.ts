/**
 * Run by the tests of the shared server: attaches to the folder named and says where. Then runs each line of its
 * input as a statement and says the rows, until it is killed; with `end` it has nothing more to do.
 */
import { createInterface } from "node:readline";
import { attach } from "../../src/database/attach.js";
import { connect } from "../../src/database/connect.js";

const [directory, end] = process.argv.slice(2);
const { superuserUrl } = await attach(directory);
console.log(JSON.stringify(superuserUrl));
if (!end) {
  for await (const statement of createInterface(process.stdin)) {
    const client = await connect(superuserUrl);
    console.log(JSON.stringify((await client.query(statement)).rows));
    await client.end();
  }
}
