/**
 * What an application downloads: minified and gzipped bytes, as esbuild bundles it from `dist/esm`.
 *
 * `npm run sizes` prints the table of docs/client-typescript.md and fails when the core is over its limit; `npm run sizes --
 * --docs` writes it there, too.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bytes, minified and gzipped, of what `import { RealtimeClient } from "@rtcore/client"` loads at once. */
export const LIMIT = 14 * 1024;

const root = fileURLToPath(new URL("..", import.meta.url));

/** Bundle a program; return its files by name, each with its bytes and what it imports. */
async function bundle(contents) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root, sourcefile: "app.js" },
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outdir: "/",
    absWorkingDir: "/",
    external: ["react"],
    metafile: true,
    write: false,
    logLevel: "error",
  });
  return new Map(
    Object.entries(metafile.outputs).map(([name, { imports, entryPoint }]) => {
      const { contents } = outputFiles.find(({ path }) => path === `/${name}`);
      return [name, { bytes: gzipSync(contents, { level: 9 }).length, imports, isApp: entryPoint?.endsWith("app.js") }];
    }),
  );
}

/** Return the names of a file and of what it needs at once. */
function closure(files, name, found = new Set()) {
  if (found.has(name) || !files.has(name)) return found;
  found.add(name);
  for (const { kind, path } of files.get(name).imports) if (kind === "import-statement") closure(files, path, found);
  return found;
}

const sum = (files, names) => [...names].reduce((bytes, name) => bytes + files.get(name).bytes, 0);
const app = (files) => [...files.keys()].find((name) => files.get(name).isApp);

/** Return the bytes that a program loads at once. */
async function atOnce(contents) {
  const files = await bundle(contents);
  return sum(files, closure(files, app(files)));
}

const CLIENT = 'export { RealtimeClient } from "@rtcore/client";';

/** Return `[what, bytes]` for each part; the first is the core. */
export async function sizes() {
  const files = await bundle(CLIENT);
  const core = closure(files, app(files));
  // What it loads later, without what is there already.
  const later = (part) => {
    const name = [...files.keys()].find((one) => one.startsWith(`${part}-`));
    return sum(
      files,
      [...closure(files, name)].filter((one) => !core.has(one)),
    );
  };
  const bytes = sum(files, core);
  const beside = async (more) => (await atOnce(CLIENT + more)) - bytes;
  return [
    ["`RealtimeClient` of `@rtcore/client`: the core, with WebSocket and JSON", bytes],
    ["all of `@rtcore/client`", await atOnce('export * from "@rtcore/client";')],
    ["SSE, once the first connection stands", later("sse")],
    ["long polling, once the first connection stands", later("polling")],
    ["what a page hears of itself and of the network, beside the first connection", later("page")],
    ["decompression, once it was agreed on", later("inflate")],
    ["with `resume`", later("resume")],
    ["`@rtcore/client/react`", await beside('export * from "@rtcore/client/react";')],
    ["`@rtcore/client/cbor`", await beside('export * from "@rtcore/client/cbor";')],
    ["`@rtcore/client/tabs`", await beside('export * from "@rtcore/client/tabs";')],
    ["`rtcore-client.js`: the core and what it loads, in one file", gzipped("dist/rtcore-client.js")],
  ];
}

function gzipped(name) {
  return gzipSync(readFileSync(root + name), { level: 9 }).length;
}

/** Return the table of the sizes, as lines. */
export async function table() {
  const rows = (await sizes()).map(([what, bytes]) => `| ${what} | ${bytes.toLocaleString("en")} |`);
  return ["| part | bytes, minified and gzipped |", "|---|---:|", ...rows].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = await table();
  console.log(made);
  if (process.argv[2] === "--docs") {
    const page = `${root}../../docs/client-typescript.md`;
    const text = readFileSync(page, "utf8");
    writeFileSync(page, text.replace(/(<!-- sizes -->\n)[\s\S]*?(\n<!-- end -->)/, `$1${made}$2`));
  }
  const [[, core]] = await sizes();
  if (core > LIMIT) {
    console.error(`the core has ${core} bytes; ${LIMIT} are allowed`);
    process.exitCode = 1;
  }
}
