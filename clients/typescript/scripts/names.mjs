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
  ...["abandon", "anew", "answered", "around", "arrived", "aside", "attached", "attacher", "begin", "beginAnew"],
  ...["better", "busy", "byServer", "bytes", "confirms", "connection", "deliver", "detach", "discard", "drained"],
  ...["due", "emit", "fail", "failed", "failure", "flush", "form", "full", "hear", "heard", "hears", "held", "isMine"],
  ...["limitBytes", "line", "link", "nextId", "order", "outbox", "passing", "patience", "patterns", "prefer", "probe"],
  ...["reach", "refusal", "rejoin", "release", "requests", "resend", "restore", "rewind", "saw", "settings", "settle"],
  ...["speak", "spend", "stage", "start", "submit", "takeItems", "takeWelcome", "wait", "withdraw", "worked"],
];

const LETTERS = "etnisroacldhupmfgbwyvkxjqzSTACLMPDRBIFEONHWUGVJKQXYZ";
const CLASS = /class (\w+)([\s\S]*?)\{\n([\s\S]*?)\n\}/g;
const PRIVATE = /\b_[a-z]\w*/g;

/** Return a letter for each private name in the sources under `folder`: another one than the rest of its class has. */
export function letters(folder) {
  const classes = new Map();
  const uses = new Map();
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!/\.tsx?$/.test(file)) continue;
    const source = readFileSync(`${folder}/${file}`, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    for (const [name] of source.matchAll(PRIVATE)) uses.set(name, (uses.get(name) ?? 0) + 1);
    for (const [, name, head, body] of source.matchAll(CLASS)) {
      const bases = [...head.matchAll(/extends (\w+)/g)].map(([, base]) => base);
      classes.set(name, { bases, names: new Set(body.match(PRIVATE)) });
    }
  }
  for (const { bases, names } of classes.values()) {
    // An object of the class has its base's members, too.
    for (const base of bases) for (const name of classes.get(base)?.names ?? []) names.add(name);
  }
  const letter = {};
  for (const [name] of [...uses].sort((a, b) => b[1] - a[1])) {
    const together = [...classes.values()].filter(({ names }) => names.has(name));
    if (!together.length) throw new Error(`${name} is no member of a class`);
    const taken = new Set(together.flatMap(({ names }) => [...names]).map((other) => letter[other]));
    letter[name] = [...LETTERS].find((one) => !taken.has(one));
    if (!letter[name]) throw new Error(`no letter is left for ${name}`);
  }
  return letter;
}
