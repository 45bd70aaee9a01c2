/** The client below another base path than `/rt`. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { RealtimeClient } from "../src/index.js";
import { RealServer } from "./support/server.js";

let server: RealServer;

beforeAll(async () => {
  server = await RealServer.start(0, "http.base=/app/rt");
});

afterAll(() => server.kill());

it.each(["websocket", "sse", "polling"] as const)("takes %s from the URL", async (connectionType) => {
  const url = server.url.replace("/rt", "/app/rt");
  const client = new RealtimeClient({ url, webSocket: WebSocket, connectionType, fallbackTypes: [] });
  await client.connect();
  expect(await client.request("echo", "é")).toBe("é");
  expect(client.getConnectionInfo().connectionType).toBe(connectionType);
  await client.close();
});
