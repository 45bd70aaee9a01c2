// @vitest-environment happy-dom
/** The React program of docs/client-typescript.md, drawn, with a real server behind it. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { act, cleanup, configure, render, screen, waitFor } from "@testing-library/react";
import type { ComponentType } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { RealServer } from "./support/server.js";

configure({ asyncUtilTimeout: 15_000 });

const folder = resolve(".docs-react");

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  rmSync(folder, { recursive: true, force: true });
});

it("Chat.tsx is a chat", async () => {
  const server = await RealServer.start();
  const [, text = ""] =
    /^```tsx title="Chat.tsx"\n(.*?)^```$/ms.exec(readFileSync("../../docs/client-typescript.md", "utf8")) ?? [];
  mkdirSync(folder, { recursive: true });
  const sources = text
    .replace('url: "/rt"', `url: "${server.url}"`)
    .replace('"@rtcore/client"', '"../src/index.js"')
    .replace('"@rtcore/client/react"', '"../src/react.js"');
  writeFileSync(`${folder}/Chat.tsx`, `${sources}\nexport { client };\n`);
  vi.stubGlobal("WebSocket", WebSocket);
  const { App, client } = (await import(/* @vite-ignore */ `${folder}/Chat.tsx`)) as {
    App: ComponentType;
    client: { close(): Promise<void>; sendToRoom(...said: unknown[]): Promise<void> };
  };
  render(<App />);
  expect(document.querySelector("p")?.textContent).toBe("connecting …");
  const button = screen.getByRole<HTMLButtonElement>("button");
  await waitFor(() => expect(button.disabled).toBe(false));
  expect(document.querySelector("p")?.textContent).toBe("1 here");
  act(() => button.click());
  await waitFor(() => expect(screen.getByRole("listitem").textContent).toBe("hi"));
  await act(async () => {
    for (const content of ["Hel", "lo"]) await client.sendToRoom("lobby", "stream:data", { content });
  });
  await waitFor(() => expect(document.querySelector("output")?.textContent).toBe("Hello"));
  cleanup();
  await client.close();
  await server.kill();
});
