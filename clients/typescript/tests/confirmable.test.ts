/** What may be confirmed when others need the messages, too: less than what was received. */

import { describe, expect, it } from "vitest";
import { Acks } from "../src/acks.js";
import type { Session } from "../src/session.js";
import { PollingLink } from "../src/transports/polling.js";
import { JSON_CODEC } from "../src/wire/format.js";
import { ClientLine } from "../src/wire/line.js";
import { Control } from "../src/wire/message.js";
import { FakeHttp, turn, welcomeTo } from "./support/http.js";
import { settings, welcome } from "./support/link.js";

/** A line whose messages others need: so many they have. */
class Gated extends ClientLine<{ size: number }> {
  theirs = 0;
  reached: () => void = () => {};

  override get confirmable(): number {
    return Math.min(this.received, this.theirs);
  }

  override async settled(): Promise<void> {
    while (this.theirs < this.received) await new Promise<void>((done) => (this.reached = done));
  }
}

/** One that goes on with a session, of which a connection has brought `received` messages. */
function gated(received: number, theirs: number): { line: Gated; connection: object } {
  const line = new Gated(10, 1000);
  const connection = {};
  line.hello(connection);
  line.takeWelcome(connection, { ...welcome(), from: 0 });
  for (let n = 0; n < received; n++) line.take(connection);
  line.theirs = theirs;
  return { line, connection };
}

describe("what others have not got yet", () => {
  it("is asked for again by a hello, and not taken twice", () => {
    const { line } = gated(5, 3);
    const next = {};
    expect(line.hello(next).received).toBe(3);
    expect(line.takeWelcome(next, { ...welcome(), attach: 2, from: 3, resumed: true })).toMatchObject({ missed: 0 });
    expect([1, 2, 3].map(() => line.take(next))).toEqual([false, false, true]);
    expect(line.received).toBe(6);
  });

  it("is not acknowledged", () => {
    const { line } = gated(50, 20);
    const said: unknown[] = [];
    const acks = new Acks({
      line,
      control: (name: string, { n }: { n: number }) => said.push([name, n]),
    } as never as Session);
    acks.begin({ ...welcome(), limits: { window: 40 } });
    acks.due(0);
    line.theirs = 50;
    acks.due(0);
    acks.end();
    expect(said).toEqual([
      ["ack", 20],
      ["ack", 50],
    ]);
  });

  it("is waited for before the next poll, which would bring it again", async () => {
    const http = new FakeHttp();
    const line = new Gated(10, 1000);
    const link: PollingLink = new PollingLink({
      settings: settings({ fetch: http.fetch }),
      line: line as never,
      frame: (frame) => {
        for (const item of link.codec.decode(frame)) {
          if (!(item instanceof Control)) line.take(link);
          else {
            line.takeWelcome(link, { ...welcome(), from: 0 });
            link.speak({ codec: link.codec, batch: 1, maxSize: 1000, patience: 1000 });
          }
        }
      },
      aside: () => {},
      heard: () => {},
      lost: () => {},
      drained: () => {},
      outbox: undefined as never,
      codec: JSON_CODEC,
    });
    link.open(() => link.codec.control("hello", { ...line.hello(link) }));
    const first = await http.next("poll");
    first.answer([welcomeTo(first), { type: "a" }, { type: "b" }]);
    for (let n = 0; n < 5; n++) await turn();
    expect(http.asked).toEqual([]);
    line.theirs = 2;
    line.reached();
    expect((await http.next("poll")).items).toMatchObject([["poll", { received: 2 }]]);
    await link.close();
  });
});
