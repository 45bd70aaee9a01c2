/**
 * `rtcore-client.js`: everything of the main entry in one ESM file, for pages without a bundler.
 *
 * The demo page has a copy of it in its wheel, so that nobody needs Node to see it: `make page` renews it, and a test
 * compares it with what these sources give.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const { name, version, license } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

/** What all that is built has in common. */
export const COMMON = {
  bundle: true,
  target: "es2022",
  minify: true,
  // What begins with an underscore is nobody else's business, so it may have any name.
  mangleProps: /^_[a-z]/,
  legalComments: "none",
  logLevel: "warning",
};

/** Return the file's text. */
export async function bundle() {
  const built = await build({
    ...COMMON,
    absWorkingDir: root,
    entryPoints: ["src/index.ts"],
    format: "esm",
    write: false,
    banner: {
      js: `// ${name} ${version}, ${license}. Built from clients/typescript by \`make client-ts\`; not to be edited.`,
    },
  });
  return built.outputFiles[0].text;
}
