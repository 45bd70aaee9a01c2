/**
 * `rtcore-client.js`: everything of the main entry in one ESM file, for pages without a bundler.
 *
 * The demo page has a copy of it in its wheel, so that nobody needs Node to see it: `make page` renews it, and a test
 * compares it with what these sources give.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { INTERNAL, letters } from "./names.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { name, version, license, peerDependencies = {} } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

/** What all that is built has in common. */
export const COMMON = {
  bundle: true,
  target: "es2022",
  minify: true,
  mangleProps: new RegExp(`^(_[a-z].*|${INTERNAL.join("|")})$`),
  mangleCache: letters(`${root}src`),
  // That no module has side effects is said to other bundlers. This one is to keep what every entry needs in one chunk.
  ignoreAnnotations: true,
  external: Object.keys(peerDependencies),
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
