/** The client as it was built, in what runs JavaScript besides browsers: Node, Deno and Bun, against a real server. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Network, RealServer } from "./support/server.js";

const PROGRAM = fileURLToPath(new URL("support/conversation.mjs", import.meta.url));
const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));

/** The program itself, not what an install script would have put in its place. */
function binary(scope: string, path: string): string {
  const [found] = readdirSync(modules + scope).map((platform) => join(modules, scope, platform, path));
  if (found && existsSync(found)) return found;
  return join(modules, ".bin", path.split("/").at(-1) as string);
}

const RUNTIMES: [name: string, program: string, args: string[]][] = [
  ["Node", process.execPath, []],
  ["Node with its own WebSocket", process.execPath, ["--experimental-websocket"]],
  ["Deno", binary("@deno", "deno"), ["run", "--quiet", "--no-lock", "--allow-net", "--allow-read", "--allow-env"]],
  ["Bun", binary("@oven", "bin/bun"), ["run"]],
];

let server: RealServer;
let network: Network;
let folder: string;

beforeAll(async () => {
  server = await RealServer.start();
  network = await Network.start(server.port);
  folder = mkdtempSync(join(tmpdir(), "rtcore-runtimes-"));
});
afterAll(async () => {
  network.stop();
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

it.each(RUNTIMES)(
  "%s: rooms, requests, a cut and a resumed session, over each transport",
  async (_, program, args) => {
    const quiet = {
      DENO_DIR: folder,
      DENO_NO_UPDATE_CHECK: "1",
      DO_NOT_TRACK: "1",
      NO_COLOR: "1",
      NODE_NO_WARNINGS: "1",
    };
    const child = spawn(program, [...args, PROGRAM, network.url], { env: { ...process.env, ...quiet } });
    let complaints = "";
    child.stderr.on("data", (data) => (complaints += data));
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const told: { type: string }[] = [];
    let isDone = false;
    for await (const line of createInterface(child.stdout)) {
      const said = JSON.parse(line);
      if (said === "cut") network.cut();
      else if (said === "done") isDone = true;
      else told.push(said);
    }
    expect([await ended, complaints, isDone]).toEqual([0, "", true]);
    expect(told).toEqual(
      ["websocket", "sse", "polling"].map((type) => ({
        type,
        codec: type === "sse" ? "json" : "cbor",
        ...(type === "sse" ? {} : { compression: "deflate" }),
        members: 2,
        inOrder: true,
        echo: true,
        sameSession: true,
        resumed: [true, true],
        errors: [],
      })),
    );
  },
  60_000,
);
