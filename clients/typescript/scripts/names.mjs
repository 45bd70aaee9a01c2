/**
 * Short names for the members that no program sees, so that less of the client travels.
 *
 * Private members (`_name`) are seen by their own class only, and what our modules call of each other (`INTERNAL`) only
 * where it is named. So the same letter may stand for members of different classes, if no class speaks of both, and 150
 * names become four dozen letters.
 */

import { readdirSync, readFileSync } from "node:fs";

/**
 * Members that only our modules use, those whose names are long or frequent. None may be called like a member of the
 * public interface, of the platform or of the wire: `tests/build.test.ts` looks, and runs the client as it was built.
 */
export const INTERNAL = [
  ...["abandon", "anew", "answered", "around", "arrived", "aside", "attached", "attacher", "begin", "beginAnew"],
  ...[
    "better",
    "busy",
    "byServer",
    "bytes",
    "came",
    "confirmable",
    "confirms",
    "connection",
    "deliver",
    "detach",
    "discard",
    "doubt",
  ],
  ...[
    "drained",
    "due",
    "emit",
    "fail",
    "failed",
    "failure",
    "flush",
    "forget",
    "form",
    "full",
    "giveUp",
    "givenUp",
    "had",
    "hear",
  ],
  ...[
    "heard",
    "hears",
    "held",
    "hurry",
    "isClosed",
    "isMine",
    "isMuted",
    "limitBytes",
    "line",
    "link",
    "nextId",
    "order",
    "outbox",
    "park",
  ],
  ...["passing", "patience", "patterns", "prefer", "reach", "refusal", "rejoin", "release", "requests"],
  ...["resend", "restore", "rewind", "saw", "settings", "settle", "speak", "spend", "stage", "start", "submit"],
  ...["takeItems", "takeWelcome", "unpark", "wait", "withdraw", "worked"],
];

const LETTERS = [..."etnisroacldhupmfgbwyvkxjqzSTACLMPDRBIFEONHWUGVJKQXYZ$"];
// As many again, of two letters; but none that is a word.
const NAMES = [...LETTERS, ...LETTERS.map((letter) => `${letter}$`)];
/** Names of one letter on the wire: what has one of these is no object of ours, but may come near one. */
const WIRE = ["t", "n", "v"];
const CLASS = /class (\w+)([\s\S]*?)\{\n([\s\S]*?)\n\}/g;
const HIDDEN = new RegExp(`\\b(?:_[a-z]\\w*|${INTERNAL.join("|")})\\b`, "g");

/** Return a short name for each hidden one in the sources under `folder`: another one than the rest of its class has. */
export function letters(folder) {
  // What is called by other modules may come together anywhere.
  const classes = new Map([["", { bases: [], names: new Set(INTERNAL) }]]);
  const uses = new Map();
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!/\.tsx?$/.test(file)) continue;
    const source = readFileSync(`${folder}/${file}`, "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/ .*/g, "");
    for (const [name] of source.matchAll(HIDDEN)) uses.set(name, (uses.get(name) ?? 0) + 1);
    for (const [, name, head, body] of source.matchAll(CLASS)) {
      const bases = [...head.matchAll(/extends (\w+)/g)].map(([, base]) => base);
      classes.set(name, { bases, names: new Set(body.match(HIDDEN)) });
    }
  }
  for (const { bases, names } of classes.values()) {
    // An object of the class has its base's members, too.
    for (const base of bases) for (const name of classes.get(base)?.names ?? []) names.add(name);
  }
  const short = {};
  for (const [name] of [...uses].sort((a, b) => b[1] - a[1])) {
    const together = [...classes.values()].filter(({ names }) => names.has(name));
    if (!together.length) throw new Error(`${name} is no member of a class`);
    const taken = new Set(together.flatMap(({ names }) => [...names]).map((other) => short[other]));
    if (INTERNAL.includes(name)) for (const one of WIRE) taken.add(one);
    short[name] = NAMES.find((one) => !taken.has(one));
    if (!short[name]) throw new Error(`no name is left for ${name}`);
  }
  return short;
}
