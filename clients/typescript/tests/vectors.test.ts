/** The vectors that every implementation of the wire runs, against this one. */

import { describe, expect, it } from "vitest";
import { cbor } from "../src/cbor.js";
import { inbound, inflate } from "../src/inflate.js";
import { afterClose } from "../src/wire/codes.js";
import { type Codec, type Data, JSON_CODEC, WireError } from "../src/wire/format.js";
import { parseWelcome } from "../src/wire/hello.js";
import { ClientLine } from "../src/wire/line.js";
import { Control, type Item, Message, Undecodable } from "../src/wire/message.js";
import { type Row, unhex, vectors } from "./support/vectors.js";

const CODECS: Record<string, Codec> = { json: JSON_CODEC, cbor: cbor() };
const MAX_SIZE = 1_048_576;

const wire = (row: Row, form: string): Data => (form === "json" ? row.json : unhex(row.cbor));

/** Each row in each form that it has, as `[name, codec, row, data]`. */
const inEachForm = (rows: Row[]): [string, Codec, Row, Data][] =>
  rows.flatMap((row) =>
    Object.entries(CODECS)
      .filter(([form]) => form in row)
      .map(([form, codec]): [string, Codec, Row, Data] => [`${form}: ${row.name}`, codec, row, wire(row, form)]),
  );

function fieldsOf(item: Item | undefined): unknown {
  if (item instanceof Control) return { control: [item.name, item.fields] };
  if (!(item instanceof Message)) throw new Error(`not an item: ${JSON.stringify(item)}`);
  const message: Row = { ...item };
  if (message.priority === "normal") delete message.priority;
  if (message.version === 0) delete message.version;
  message.payload ??= null;
  return { message };
}

const expected = (row: Row): unknown =>
  "control" in row ? { control: row.control } : { message: { payload: null, ...row.message } };

const ITEMS = vectors("items");

describe("items", () => {
  it.each(inEachForm(ITEMS))("%s is read", (_, codec, row, data) => {
    expect(codec.decode(data).map(fieldsOf)).toEqual([expected(row)]);
  });

  it.each(inEachForm(ITEMS))("%s is written", (_, codec, row) => {
    const { type, payload, ...fields } = row.message ?? {};
    const data = row.control
      ? codec.control(row.control[0], row.control[1])
      : codec.encode(new Message(type, payload, fields));
    expect(codec.decode(data).map(fieldsOf)).toEqual([expected(row)]);
    if (!codec.binary) expect(JSON.parse(data as string)).toEqual(JSON.parse(row.json));
  });
});

describe("frames", () => {
  const named = new Map(ITEMS.map((row) => [row.name, row]));

  it.each(inEachForm(vectors("frames")))("%s is cut into its items", (_, codec, row, data) => {
    expect(codec.decode(data).map(fieldsOf)).toEqual(row.items.map((name: string) => expected(named.get(name) as Row)));
  });
});

describe("what is bad", () => {
  it.each(inEachForm(vectors("bad")))("%s", (_, codec, row, data) => {
    if (row.becomes === "undecodable") expect(codec.decode(data)).toEqual([expect.any(Undecodable)]);
    else expect(() => codec.decode(data)).toThrow(WireError);
  });

  it.each(vectors("bad").filter((row) => "hex" in row))("$name", async ({ hex, becomes }) => {
    const codes: unknown[] = [];
    const push = inbound(
      () => codes.push("taken"),
      (error) => codes.push((error as WireError).code),
      MAX_SIZE,
      false,
    );
    await push(unhex(hex));
    expect(codes).toEqual([becomes]);
  });
});

describe("compressed frames", () => {
  const mine = vectors("compressed").filter((row) => row.compressor === "deflate");
  const undo = async (row: Row) => new TextDecoder().decode(await inflate(unhex(row.hex), row.max_size ?? MAX_SIZE));

  it.each(mine.filter((row) => "json" in row))("$name is undone", async (row) => {
    expect(await undo(row)).toBe(row.json);
  });

  it.each(mine.filter((row) => "becomes" in row))("$name is refused", async (row) => {
    await expect(undo(row)).rejects.toMatchObject({ code: row.becomes });
  });
});

describe("welcome", () => {
  const welcomes = vectors("greetings").filter((row) => row.item === "welcome");

  it.each(welcomes.filter((row) => "means" in row))("$name", ({ fields, means }) => {
    // What only the server's side or a newer client looks at is left out here, and a field without a value is.
    const { nonce, transport, v, ...rest } = means;
    expect(parseWelcome(fields)).toEqual({
      reconnect: { attempts: 0, delay: 0 },
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)),
    });
  });

  it.each(welcomes.filter((row) => "bad" in row))("$name", ({ fields, bad }) => {
    expect(() => parseWelcome(fields)).toThrow(bad);
  });
});

describe("codes", () => {
  const closing = vectors("codes").filter((row) => row.number);

  it.each(closing)("$code is followed by $next, by its number and by its name", ({ code, number, next }) => {
    expect(afterClose("", number)).toBe(next);
    expect(afterClose(code, 0)).toBe(next);
  });

  it.each([
    [4099, "resume"],
    [4199, "afresh"],
    [4299, "stop"],
    [4300, "resume"],
    [1006, "resume"],
  ])("%i, which nobody knows, is followed by %s", (number, next) => {
    expect(afterClose("superseded", number)).toBe(next);
  });

  it("goes on after a refusal that it does not know", () => {
    expect(afterClose("app:no", 0)).toBe("resume");
  });
});

/** Runs the steps of a scenario; each returns what can be expected of it. */
class Player {
  readonly line: ClientLine<{ name: string; size: number }>;
  private readonly connections = new Map<string, object>();
  private nonce: string | undefined;

  constructor(limit = 1000) {
    this.line = new ClientLine(limit, MAX_SIZE);
  }

  play(step: Row): Row {
    const { line } = this;
    if (!this.connections.has(step.on)) this.connections.set(step.on, {});
    const on = this.connections.get(step.on) as object;
    if (step.do === "hello") return this.hello(on, step.forget);
    if (step.do === "welcome") return this.welcome(on, step.welcome);
    if (step.do === "message") return { news: line.take(on) };
    if (step.do === "put") return { from: line.put({ name: step.message, size: 1 }) };
    if (step.do === "ack") return { ok: !!line.confirm(step.n) };
    if (step.do === "lost") return { left: line.detach(on) };
    if (step.do === "poll") return line.rewind();
    if (step.do === "superseded") return { mine: line.isMine(step.attach) };
    const { session = null, secret = null, attach, attached, received, window, full } = line;
    return { session, secret, attach, attached, received, full, sent: window.sent, confirmed: window.confirmed };
  }

  private hello(on: object, forget = false): Row {
    const hello = this.line.hello(on, { forget });
    const nonce = this.nonce === undefined ? "first" : this.nonce === hello.nonce ? "same" : "other";
    this.nonce = hello.nonce;
    return { session: null, secret: null, received: 0, sent: 0, ...hello, nonce };
  }

  private welcome(on: object, fields: Row): Row {
    const before = this.line.session;
    try {
      const taken = this.line.takeWelcome(on, parseWelcome(fields));
      if (!taken) return { ignored: true };
      const names = (messages: readonly { name: string }[]) => messages.map(({ name }) => name);
      return {
        fresh: this.line.session !== before,
        missed: taken.missed,
        confirmed: taken.confirmed.length,
        resend: names(taken.resend),
        unknown: names(taken.unknown),
      };
    } catch (error) {
      if (error instanceof WireError) return { breach: true };
      throw error;
    }
  }
}

describe("attach", () => {
  it.each(vectors("attach-client"))("$name", ({ steps, limit }) => {
    const player = new Player(limit);
    for (const step of steps) expect(player.play(step), JSON.stringify(step)).toMatchObject(step.expect);
  });
});

describe("the exchange of docs/wire.md", () => {
  it.each(inEachForm(vectors("exchange").map((row, n) => ({ name: `${n + 1}: from the ${row.from}`, ...row }))))(
    "%s",
    (_, codec, row, data) => {
      expect(codec.decode(data).map(fieldsOf)).toEqual([expected(row)]);
    },
  );
});
