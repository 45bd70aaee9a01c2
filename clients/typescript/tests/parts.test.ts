/** Messages in parts: what comes in pieces is whole again, what goes in pieces is cut where it may be, and both go on. */

import { beforeEach, describe, expect, it, vi } from "vitest";
import { cbor } from "../src/cbor.js";
import { Outgoing } from "../src/outgoing.js";
import { type Codec, type Data, JSON_CODEC, sizeOf } from "../src/wire/format.js";
import type { Welcome } from "../src/wire/hello.js";
import { asMap, type Control, type Fields, Message, Undecodable } from "../src/wire/message.js";
import { type Half, PART, Parts, SMALLEST, takePart, whole } from "../src/wire/parts.js";
import { welcome } from "./support/link.js";
import { seeded } from "./support/seeded.js";
import { type Row, unhex, vectors } from "./support/vectors.js";

const CODECS: [string, Codec][] = [
  ["JSON", JSON_CODEC],
  ["CBOR", cbor()],
];
const LIMIT = 1_000_000;

const hex = (data: Data) =>
  typeof data === "string" ? data : [...data].map((n) => n.toString(16).padStart(2, "0")).join("");

describe("the vectors", () => {
  it.each(vectors("parts"))("$name", ({ steps, limit = LIMIT, binary = false }) => {
    let held: ReturnType<typeof takePart> | undefined;
    for (const { part, becomes, item, held: is } of steps as Row[]) {
      const fields = binary && typeof part.data === "string" ? { ...part, data: unhex(part.data) } : part;
      if (becomes !== "held" && becomes !== "message") {
        expect(() => takePart(held, fields, binary, limit)).toThrow(expect.objectContaining({ code: becomes }));
        continue;
      }
      held = takePart(held, fields, binary, limit);
      if (becomes === "held") expect(held.place).toEqual(is);
      else {
        expect([held.place.at, hex(whole(held))]).toEqual([held.size, item]);
        held = undefined;
      }
    }
  });
});

describe.each(CODECS)("in %s", (_, codec) => {
  let from: Parts;
  let to: Parts;

  beforeEach(() => {
    from = new Parts();
    to = new Parts();
    from.welcome(welcome({ limits: { part: PART } }), true);
  });

  const begin = (payload: unknown, again = false): Half => {
    const message = new Outgoing("large", payload, {});
    return from.begin(message, message.form(codec), again);
  };
  /** Take the next part over the wire. */
  const pass = (half: Half) => {
    const piece = half.next();
    const [item] = codec.decode(piece.item?.(codec) as Data);
    const { name, fields } = item as Control;
    expect(name).toBe("part");
    return { piece, fields, message: to.take(fields, codec, LIMIT) };
  };
  const all = (half: Half) => {
    for (;;) {
      const { piece, message } = pass(half);
      if (piece.ends) return message as Message;
      expect(message).toBeUndefined();
    }
  };

  it("what is whole is what it was, wherever it was cut", () => {
    const payload = 'añ€😀\uFEFF\n\r"\\'.repeat(5000);
    for (const most of [SMALLEST, SMALLEST + 1, 4095, PART]) {
      from.stride = most;
      const half = begin({ payload, most });
      expect(all(half).payload).toEqual({ payload, most });
      expect(to.place).toBeUndefined();
    }
  });

  it("a part has no more bytes than it may, ends between characters, and says where it is", () => {
    from.stride = SMALLEST;
    const half = begin("€".repeat(2000));
    let at = 0;
    for (;;) {
      const { piece, fields } = pass(half);
      expect(fields).toMatchObject({ at, size: sizeOf(half.message.form(codec)) });
      expect(piece.size).toBe(sizeOf(fields.data as Data));
      expect(piece.size).toBeLessThanOrEqual(SMALLEST);
      at += piece.size;
      if (piece.ends) break;
      expect(piece.size).toBeGreaterThan(SMALLEST - 4);
    }
    expect(at).toBe(half.message.size);
  });

  it("what was cut smaller afterwards is the same", () => {
    const half = begin("😀".repeat(9000));
    const pieces = [];
    for (let piece = half.next(); ; piece = half.next()) {
      const [head, rest] = piece.split?.(1500.5) ?? [];
      const [more, end] = rest?.split?.(SMALLEST) ?? [];
      pieces.push(head, more, end);
      if (piece.ends) break;
    }
    let message: unknown;
    for (const [n, piece] of pieces.entries()) {
      expect(piece?.ends).toBe(n === pieces.length - 1);
      const [item] = codec.decode(piece?.item?.(codec) as Data);
      message = to.take((item as Control).fields, codec, LIMIT);
    }
    expect((message as Message).payload).toBe("😀".repeat(9000));
  });

  it("two with the same bytes are two, and one in another codec has another name", () => {
    const [one, other] = [begin("x".repeat(50_000)), begin("x".repeat(50_000))];
    const names = [pass(one).fields.of, pass(other).fields.of];
    expect(new Set(names).size).toBe(2);
    one.message.form(codec === JSON_CODEC ? cbor() : JSON_CODEC);
    const again = from.begin(one.message, one.message.form(codec), false);
    expect(names).not.toContain(pass(again).fields.of);
  });

  it("goes on where the other end is, if that speaks of the same message, and else begins", () => {
    const half = begin("x".repeat(100_000));
    pass(half);
    const place = pass(half).fields;
    // The third is lost with its link.
    half.next();
    const goOn = (part: Welcome["part"]) => {
      from.welcome(welcome({ limits: { part: PART }, resumed: true, ...(part && { part }) }), false);
      return from.begin(half.message, half.message.form(codec), true);
    };
    expect(to.place).toEqual({ of: place.of, at: (place.at as number) + PART });
    expect(pass(goOn({ of: "another", at: 20_000 })).fields).toMatchObject({ at: 0 });
    const { size } = half.message;
    expect(pass(goOn({ of: place.of as string, at: size })).fields).toMatchObject({ at: 0 });
    const last = goOn(to.place);
    expect(last.next().place?.at).toBe(to.place?.at);
    expect(all(goOn(to.place)).payload).toBe("x".repeat(100_000));
    // It was for the first message only.
    expect(pass(begin("y".repeat(50_000))).fields).toMatchObject({ at: 0 });
  });

  it("whatever is sent twice, and wherever links break: seeds", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed);
      from = new Parts();
      to = new Parts();
      const payload = Array.from({ length: 20_000 }, () => ["a", "é", "€", "😀"][Math.floor(random() * 5)] ?? "z").join(
        "",
      );
      const message = new Outgoing("large", payload, {});
      let got: Message | Undecodable | undefined;
      for (let links = 0; !got; links++) {
        expect(links).toBeLessThan(1000);
        // What the other end said when this link began: it may have more by now, as when two links are open.
        const part = random() < 0.5 ? to.place : undefined;
        from.welcome(
          welcome({ received: links, limits: { part: SMALLEST + Math.floor(random() * 3000) }, ...(part && { part }) }),
          false,
        );
        const half = from.begin(message, message.form(codec), true);
        for (let n = Math.floor(random() * 20); n > 0 && !got; n--) {
          const { message, piece } = pass(half);
          got = message;
          if (piece.ends) break;
        }
      }
      expect((got as Message).payload).toBe(payload);
    }
  });

  it("is counted, whatever its parts make: no message, two, or a control item", () => {
    const odd = [
      codec.control("ack", { n: 1 }),
      codec.join([codec.encode(new Message("a", 1)), codec.encode(new Message("b", 2))]),
      codec.binary ? Uint8Array.of(0xff) : "{broken",
      codec.binary ? Uint8Array.of(0xa1, 0x64) : "[broken",
    ];
    for (const item of odd) {
      const fields = { of: hex(item).slice(0, 60), at: 0, size: sizeOf(item), data: item };
      expect(to.take(fields, codec, LIMIT)).toBeInstanceOf(Undecodable);
      expect(to.place).toBeUndefined();
    }
  });
});

describe("what is held", () => {
  const message = '{"type":"a","payload":"0123456789012"}';
  const part = (at: number, data: string, of = "m"): Fields => ({ of, at, size: message.length, data });

  it("is what hello says, and goes on where hello said, though the old link has brought more", () => {
    const parts = new Parts();
    parts.take(part(0, message.slice(0, 10)), JSON_CODEC, LIMIT);
    expect(parts.hello(false)).toEqual({ of: "m", at: 10 });
    parts.take(part(10, message.slice(10, 20)), JSON_CODEC, LIMIT);
    parts.welcome(welcome(), false);
    expect(parts.place).toEqual({ of: "m", at: 20 });
    parts.take(part(10, message.slice(10, 30)), JSON_CODEC, LIMIT);
    expect(parts.take(part(30, message.slice(30)), JSON_CODEC, LIMIT)).toMatchObject({ type: "a" });
  });

  it("is what hello said, though the old link has brought all of it: that comes again, and is counted again", () => {
    const parts = new Parts();
    parts.take(part(0, message.slice(0, 10)), JSON_CODEC, LIMIT);
    parts.hello(false);
    expect(parts.take(part(10, message.slice(10)), JSON_CODEC, LIMIT)).toBeInstanceOf(Message);
    parts.take(part(0, message.slice(0, 5), "next"), JSON_CODEC, LIMIT);
    parts.welcome(welcome(), false);
    expect(parts.take(part(10, message.slice(10)), JSON_CODEC, LIMIT)).toBeInstanceOf(Message);
  });

  it("is forgotten with the counts", () => {
    const parts = new Parts();
    parts.take(part(0, message.slice(0, 10)), JSON_CODEC, LIMIT);
    expect(parts.hello(true)).toBeUndefined();
    parts.welcome(welcome({ reason: "reset" }), true);
    expect(parts.place).toBeUndefined();
  });
});

describe("how much", () => {
  it("a link that carried nothing gets smaller parts the next time, down to 1 KiB; one that did gets larger ones", () => {
    const parts = new Parts();
    const message = new Outgoing("large", "x".repeat(100_000), {});
    const link = (received: number) => {
      parts.welcome(welcome({ received, limits: { part: 65_536 } }), false);
      parts.begin(message, message.form(JSON_CODEC), true);
      return parts.stride;
    };
    expect([1, 1, 1, 1, 1, 1, 1].map(link)).toEqual([16, 8, 4, 2, 1, 1, 1].map((n) => n * 1024));
    expect([2, 3, 4, 5, 6].map(link)).toEqual([2, 4, 8, 16, 16].map((n) => n * 1024));
  });

  it("a server that takes no parts gets none, one that takes small ones gets those", () => {
    const parts = new Parts();
    parts.welcome(welcome(), true);
    expect(parts.stride).toBe(Number.POSITIVE_INFINITY);
    parts.welcome(welcome({ limits: { part: 2000 } }), false);
    expect(parts.stride).toBe(2000);
  });

  it("is under way is bounded: by little on a slow link, by more on one that is quick to say what it has", () => {
    vi.useFakeTimers();
    const run = (pause: number) => {
      const parts = new Parts();
      parts.welcome(welcome({ limits: { part: PART } }), true);
      const message = new Outgoing("large", "x".repeat(3_000_000), {});
      const half = parts.begin(message, message.form(JSON_CODEC), false);
      const limits: number[] = [];
      let [left, arrived] = [0, 0];
      for (let n = 0; n < 30; n++) {
        while (!parts.full) left += half.next().size;
        limits.push((left - arrived) / 1024);
        vi.advanceTimersByTime(pause);
        arrived += 64 * 1024;
        parts.acked({ of: message.of, at: arrived });
      }
      return limits;
    };
    expect(Math.max(...run(1000))).toBeLessThanOrEqual(80 + 16);
    expect(run(100).at(-1)).toBeGreaterThan(900);
    vi.useRealTimers();
  });

  it("is under way is nothing any more, once all has arrived", () => {
    const parts = new Parts();
    parts.welcome(welcome({ limits: { part: PART } }), true);
    for (let n = 0; n < 10; n++) {
      const message = new Outgoing("large", "x".repeat(70_000), {});
      const half = parts.begin(message, message.form(JSON_CODEC), false);
      for (;;) {
        expect(parts.full).toBe(false);
        if (half.next().ends) break;
      }
      parts.acked(undefined);
    }
    expect(asMap(parts.place)).toEqual({});
  });
});
