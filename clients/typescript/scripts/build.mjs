/**
 * The build: `dist/esm` (split, so that what is rarely needed is loaded when it is), `dist/cjs`, types for both, and
 * `dist/rtcore-client.js`, everything of the main entry in one ESM file for pages without a bundler.
 */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundle, COMMON } from "./bundle.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const entryPoints = ["src/index.ts", "src/cbor.ts"];

rmSync("dist", { recursive: true, force: true });
await build({ ...COMMON, entryPoints, format: "esm", splitting: true, outdir: "dist/esm", sourcemap: true });
await build({ ...COMMON, entryPoints, format: "cjs", outdir: "dist/cjs", sourcemap: true });
writeFileSync("dist/rtcore-client.js", await bundle());

const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });

// The same declarations, in a folder that says that it is CommonJS.
mkdirSync("dist/cjs", { recursive: true });
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
for (const name of readdirSync("dist/esm", { recursive: true })) {
  if (String(name).endsWith(".d.ts")) cpSync(`dist/esm/${name}`, `dist/cjs/${name}`);
}
