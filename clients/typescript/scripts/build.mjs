/**
 * The build: `dist/esm` (split, so that what is rarely needed is loaded when it is), `dist/cjs`, types for both, and
 * `dist/rtcore-client.js`, everything of the main entry in one ESM file for pages without a bundler.
 *
 * Each entry of `exports` in package.json is a file in `src`.
 */

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundle, COMMON } from "./bundle.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const entries = Object.values(exports)
  .map((entry) => /^\.\/dist\/esm\/(.+)\.js$/.exec(entry.import?.default)?.[1])
  .filter(Boolean)
  .map((name) => [`src/${name}.ts`, `src/${name}.tsx`].find((file) => existsSync(file)));

/** What is loaded when it is needed, and what not every application has. By name, a name without a hash in it is short. */
const PARTS = ["builder", "presets", "more", "page", "resume", "transports/polling", "transports/sse"].map(
  (name) => `src/${name}.ts`,
);

rmSync("dist", { recursive: true, force: true });
await build({
  ...COMMON,
  // Files of their own, so that an application without them does not load them, or only when it does.
  entryPoints: [...entries, ...PARTS],
  // Side by side, wherever their sources lie: a shorter name to import, and one folder to serve.
  entryNames: "[name]",
  format: "esm",
  splitting: true,
  outdir: "dist/esm",
  sourcemap: true,
});
await build({
  ...COMMON,
  // Nothing is split here, and two copies of a class would be two classes: who needs the core requires it.
  entryPoints: [...entries, "src/core.ts"],
  plugins: [
    {
      name: "one core",
      setup({ onResolve }) {
        onResolve({ filter: /\/core\.js$/ }, () => ({ path: "./core.js", external: true }));
      },
    },
  ],
  format: "cjs",
  outdir: "dist/cjs",
  sourcemap: true,
});
writeFileSync("dist/rtcore-client.js", await bundle());

const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });

// The same declarations, in a folder that says that it is CommonJS.
mkdirSync("dist/cjs", { recursive: true });
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
for (const name of readdirSync("dist/esm", { recursive: true })) {
  if (String(name).endsWith(".d.ts")) cpSync(`dist/esm/${name}`, `dist/cjs/${name}`);
}
