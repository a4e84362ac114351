// Draw DiceBear portraits: `node draw_portraits.mjs NODE_MODULES`, requests on stdin and answers on stdout, one JSON a line.
//
// {"style": "personas", "options": {...}} gives {"svg": "<svg ...>"}; {"meta": "personas"} gives the style's own
// statement of title, creator, source and licence. The options hold one value each, so nothing is left to chance.

import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const packages = resolve(process.argv[2]);
const load = (name) => import(pathToFileURL(`${packages}/@dicebear/${name}/lib/index.js`).href);
const { createAvatar } = await load("core");

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const style = await load(request.meta ?? request.style);
  const answer = request.meta ? style.meta : { svg: createAvatar(style, request.options).toString() };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
