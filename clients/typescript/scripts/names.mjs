/**
 * Short names for the members that no program sees, so that less of the client travels.
 *
 * Private members (`_name`) are seen by their own class only. So the same letter may stand for members of different
 * classes, and 150 names become three dozen letters. What our modules call of each other needs a name of its own: esbuild
 * finds one for each that `INTERNAL` lists.
 */

import { readdirSync, readFileSync } from "node:fs";

/**
 * Members that only our modules use, those whose names are long or frequent. None may be called like a member of the
 * public interface, of the platform or of the wire: `tests/build.test.ts` looks, and runs the client as it was built.
 */
export const INTERNAL = [
  ...["abandon", "answered", "arrived", "attached", "attacher", "begin", "beginAnew", "better", "byServer", "confirms"],
  ...["connection", "deliver", "detach", "discard", "drained", "emit", "failed", "failure", "flush", "heard", "hears"],
  ...["isMine", "limitBytes", "line", "link", "maxSize", "nextId", "outbox", "passing", "patience", "reach", "refusal"],
  ...["rejoin", "release", "requests", "resend", "restore", "settle", "stage", "submit", "takeItems", "takeWelcome"],
  ...["withdraw", "worked"],
];

const LETTERS = "etnisroacldhupmfgbwyvkxjqzSTACLMPDRBIFEONHWUGVJKQXYZ";
const CLASS = /class (\w+)[^{]*?(?:extends (\w+))?[^{]*\{\n([\s\S]*?)\n\}/g;

/** Return a letter for each private name in the sources under `folder`: another one than the rest of its class has. */
export function letters(folder) {
  const classes = new Map();
  const uses = new Map();
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!/\.tsx?$/.test(file)) continue;
    for (const [, name, base, body] of readFileSync(`${folder}/${file}`, "utf8").matchAll(CLASS)) {
      const found = body.match(/\b_[a-z]\w*/g) ?? [];
      classes.set(name, { base, names: new Set(found) });
      for (const one of found) uses.set(one, (uses.get(one) ?? 0) + 1);
    }
  }
  for (const { base, names } of classes.values()) {
    // Where a base class has private names, a class that extends it may not use their letters.
    for (const inherited of classes.get(base)?.names ?? []) names.add(inherited);
  }
  const letter = {};
  for (const [one] of [...uses].sort((a, b) => b[1] - a[1])) {
    const together = [...classes.values()].filter(({ names }) => names.has(one)).flatMap(({ names }) => [...names]);
    const taken = new Set(together.map((other) => letter[other]));
    letter[one] = [...LETTERS].find((candidate) => !taken.has(candidate));
    if (!letter[one]) throw new Error(`no letter is left for ${one}`);
  }
  return letter;
}
