/** A link that is given to an outbox, and what a session's parts need besides. */

import { type Settings, settle } from "../../src/options.js";
import type { Link, Speech } from "../../src/transports/link.js";
import { type Codec, type Data, JSON_CODEC } from "../../src/wire/format.js";
import type { Welcome } from "../../src/wire/hello.js";
import type { Piece } from "../../src/wire/parts.js";

/** Takes what it is given, as long as it is not `busy`. */
export class FakeLink implements Link {
  readonly type = "websocket";
  readonly confirms = false;
  codec: Codec = JSON_CODEC;
  busy = false;
  /** What was sent at once, each with the count of its first message. */
  readonly sent: { place: number; payloads: unknown[] }[] = [];
  readonly controls: unknown[] = [];
  /** Called after each `send`. */
  taken: () => void = () => {};

  /** Payloads of everything that was sent. */
  get payloads(): unknown[] {
    return this.sent.flatMap(({ payloads }) => payloads);
  }

  open(): void {}
  speak(_: Speech): void {}

  send(pieces: readonly Piece[], place: number): void {
    this.sent.push({ place, payloads: pieces.map((piece) => this.read(piece)) });
    this.taken();
  }

  /** A message's payload; of a part its fields. */
  private read({ data, item }: Piece): unknown {
    return item ? JSON.parse(item(this.codec) as string)[1] : JSON.parse(data as string).payload;
  }

  control(item: Data): void {
    this.controls.push(JSON.parse(item as string));
  }

  async flush(): Promise<void> {}
  close(): void {}
}

/** Settings with some of them changed. */
export function settings(options: Parameters<typeof settle>[0] | object = {}): Settings {
  return settle({ url: "http://server.test/rt", ...options });
}

/** A welcome with some of it changed. */
export function welcome(fields: Partial<Welcome> = {}): Welcome {
  return {
    session: "s1",
    secret: "secret",
    attach: 1,
    resumed: false,
    received: 0,
    from: 0,
    rooms: false,
    codec: "json",
    batch: false,
    node: "n1",
    heartbeat: { interval: 30, timeout: 5 },
    limits: {},
    ttl: 120,
    reconnect: { attempts: 0, delay: 0 },
    ...fields,
  };
}
