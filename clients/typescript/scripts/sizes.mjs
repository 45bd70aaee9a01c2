/**
 * What a page downloads: minified and gzipped bytes of each part of `dist/esm`, and of the one-file bundle.
 *
 * `node scripts/sizes.mjs` prints the table of docs/client-typescript.md and fails when the core is over its limit.
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** Bytes, minified and gzipped. */
export const LIMIT = 12 * 1024;

const dist = fileURLToPath(new URL("../dist/", import.meta.url));

const gzipped = (names) =>
  names.reduce((sum, name) => sum + gzipSync(readFileSync(dist + name), { level: 9 }).length, 0);

/** Return the files that an entry loads at once: itself and what it imports statically. */
function closure(entry, found = new Set()) {
  if (found.has(entry)) return found;
  found.add(entry);
  const source = readFileSync(`${dist}esm/${entry}`, "utf8");
  // `from"./chunk.js"` and `import"./chunk.js"`; a dynamic `import("./x.js")` has a parenthesis.
  for (const [, name] of source.matchAll(/(?:from|import)\s*"\.\/([\w.-]+\.js)"/g)) closure(name, found);
  return found;
}

/** Return `[what, bytes]` for each part. */
export function sizes() {
  const files = readdirSync(`${dist}esm`).filter((name) => name.endsWith(".js"));
  const core = closure("index.js");
  const extra = (entry) => [...closure(entry)].filter((name) => !core.has(name)).map((name) => `esm/${name}`);
  const lazy = (part) => files.filter((name) => name.startsWith(`${part}-`)).flatMap((name) => extra(name));
  return [
    ["core: `@rtcore/client`, WebSocket, JSON", gzipped([...core].map((name) => `esm/${name}`))],
    ["SSE, when it is used", gzipped([...new Set(lazy("sse"))])],
    ["long polling, when it is used", gzipped([...new Set(lazy("polling"))])],
    ["compressed frames, when the first one comes", gzipped(lazy("inflate"))],
    ["`@rtcore/client/cbor`", gzipped(extra("cbor.js"))],
    ["`rtcore-client.js`: core, SSE, polling and decompression in one file", gzipped(["rtcore-client.js"])],
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log("| part | bytes, minified and gzipped |\n|---|---:|");
  for (const [what, bytes] of sizes()) console.log(`| ${what} | ${bytes} |`);
  const [, core] = sizes()[0];
  if (core > LIMIT) {
    console.error(`the core has ${core} bytes; ${LIMIT} are allowed`);
    process.exitCode = 1;
  }
}
