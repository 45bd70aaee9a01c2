/** docs/client-typescript.md: its programs run, its fragments compile, its tables are those of the code. `npm run build` first. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sizes } from "../scripts/sizes.mjs";
import * as client from "../src/index.js";
import { settle } from "../src/options.js";
import { RealServer } from "./support/server.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const page = readFileSync(`${root}../../docs/client-typescript.md`, "utf8");
/** Where the page's code is compiled: in the package, so that it finds it by its name. */
const folder = `${root}.docs`;

interface Block {
  kind: string;
  title: string | undefined;
  text: string;
  /** What it prints: the block of text that follows. */
  output: string | undefined;
}

const found = [...page.matchAll(/^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```$/gms)];
const blocks = found
  .map(([, kind, title, text], n): Block => {
    const [, next, , output] = found[n + 1] ?? [];
    return { kind: kind ?? "", title, text: text ?? "", output: next === "text" ? output : undefined };
  })
  .filter(({ kind }) => kind.startsWith("ts"));

/** What a fragment may take for granted. */
const GIVEN = `
import { REALTIME_PRESETS, RealtimeBuilder, RealtimeClient, RequestError, UnknownOutcome } from "@rtcore/client";
declare const client: RealtimeClient;
declare const url: string;
declare const key: string;
declare function fetchToken(): Promise<string>;
declare function show(...said: unknown[]): void;
declare function again(): void;
declare function askTheServerWhetherItHappened(): Promise<void>;
`;
const CHAT = 'interface Chat { "chat:message": { text: string } }\n';

beforeAll(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the code on the page", () => {
  it("is there", () => {
    expect(blocks.length).toBeGreaterThanOrEqual(12);
    expect(page).not.toMatch(/^```(typescript|javascript|js|jsx)/m);
  });

  it("compiles", () => {
    const files = blocks.map(({ kind, title, text }, n) => {
      const given = title ? "" : GIVEN + (text.includes("interface Chat") ? "" : CHAT);
      const file = title ?? `fragment-${n}.${kind}`;
      writeFileSync(`${folder}/${file}`, given + text);
      return file;
    });
    const config = {
      extends: "../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, types: [] },
      include: [],
      files,
    };
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
    const tsc = `${root}node_modules/typescript/bin/tsc`;
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { encoding: "utf8" });
    expect(stdout).toBe("");
  }, 120_000);

  const programs = blocks.filter(({ kind, title }) => kind === "ts" && title);

  it.each(programs)("$title prints what the page says", async ({ title, text, output }) => {
    const server = await RealServer.start();
    const code = transformSync(text.replace("http://localhost:8080/rt", server.url), {
      loader: "ts",
      format: "esm",
    }).code;
    const file = `${folder}/${title}.mjs`;
    writeFileSync(file, code);
    // What Node 20 has behind a flag, later versions have without.
    const options = { encoding: "utf8", env: { ...process.env, NODE_NO_WARNINGS: "1" }, timeout: 30_000 } as const;
    const printed = execFileSync(process.execPath, ["--experimental-websocket", file], options);
    await server.kill();
    expect(output).toBeTruthy();
    expect(printed).toBe(output);
  });
});

/** The rows of the table below a heading or a mark: the cells of each. */
function rows(above: string | RegExp): string[][] {
  const place = typeof above === "string" ? page.indexOf(`\n## ${above}\n`) : page.search(above);
  expect(place).toBeGreaterThan(0);
  const [table = ""] =
    page
      .slice(place)
      .match(/^\|.*\|\n\|[-:| ]+\|\n((?:\|.*\|\n)+)/m)
      ?.slice(1) ?? [];
  return table
    .trim()
    .split("\n")
    .map((row) =>
      row
        .slice(1, -1)
        .split(" | ")
        .map((cell) => cell.trim()),
    );
}

const name = (cell = "") => cell.replaceAll("`", "");

describe("the tables on the page", () => {
  it("has the sizes that are measured, within three percent", async () => {
    const measured = await sizes();
    const written = rows(/<!-- sizes -->/).map(
      ([what, bytes]) => [what, Number(name(bytes).replaceAll(",", ""))] as const,
    );
    expect(written.map(([what]) => what)).toEqual(measured.map(([what]) => what));
    for (const [n, [what, bytes]] of measured.entries()) {
      const off = Math.abs((written[n]?.[1] ?? 0) - Number(bytes)) / Number(bytes);
      expect(off, `${what}: \`npm run sizes -- --docs\` writes the table anew`).toBeLessThan(0.03);
    }
  });

  it("has every option, with its default", () => {
    const { timing, limits, base, random, url, ...settings } = settle({ url: "http://server.test/rt" });
    const flat = (group: object, prefix: string) =>
      Object.entries(group).map(([key, value]) => [`${prefix}${key}`, JSON.stringify(value)] as const);
    const defaults = new Map([...flat(settings, ""), ...flat(timing, "timing."), ...flat(limits, "limits.")]);
    const written = new Map(rows("Options").map(([option, usual]) => [name(option), name(usual)]));
    const spaced = (text: string | undefined) => text?.replaceAll(",", ", ");
    for (const [option, usual] of defaults) expect(written.get(option), option).toBe(spaced(usual) ?? "none");
    // Those whose default is the platform's, or none at all.
    const others = ["url", "codec", "memory", "webSocket", "fetch"];
    expect([...written.keys()].filter((option) => !defaults.has(option)).sort()).toEqual(others.sort());
  });

  it("has every error, and every preset", () => {
    const errors = Object.entries(client).filter(
      ([, value]) => (value as { prototype?: unknown }).prototype instanceof client.RealtimeError,
    );
    expect(
      rows("Errors")
        .map(([error]) => name(error))
        .sort(),
    ).toEqual(errors.map(([error]) => error).sort());
    expect(rows("Set-ups").map(([preset]) => name(preset))).toEqual(Object.keys(client.REALTIME_PRESETS));
  });

  it("has promises whose tests are there", () => {
    const promises = rows(/<!-- promises -->/);
    expect(promises.length).toBeGreaterThan(30);
    for (const [promise, where = ""] of promises) {
      const [, file = "", title = ""] = /^`(.*)`: (.*)$/.exec(where) ?? [];
      const path = file.startsWith("browser_ts/") ? `../../tests/${file}` : `tests/${file}`;
      const line = file.endsWith(".py") ? `async def ${title}(` : `"${title}"`;
      expect(readFileSync(root + path, "utf8").includes(line), `${promise}: ${where}`).toBe(true);
    }
  });
});
