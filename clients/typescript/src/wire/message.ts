/** The nouns of the wire: messages, which are counted, and control items, which are not. */

/** What overtakes what while messages wait. */
export type Priority = "critical" | "high" | "normal" | "low";

/** The most urgent first; the index is the lane. */
export const PRIORITIES: readonly Priority[] = ["critical", "high", "normal", "low"];

/** What a message may have besides its type and payload. */
export interface MessageFields {
  /** Set by a sender that wants a reply. */
  id?: string | undefined;
  /** The `id` of the message that this one answers. */
  re?: string | undefined;
  /** The room that it was published to. */
  room?: string | undefined;
  priority?: Priority | undefined;
  /** Who sent it; set by the server. */
  sender?: string | undefined;
  /** Its place in the room's history, which counts anew with each `epoch`. */
  offset?: number | undefined;
  epoch?: string | undefined;
  /** Offsets, from a first to a last one, that it stands for besides its own; set by the server. */
  covers?: readonly (readonly [number, number])[] | undefined;
  /** Seconds since 1970. */
  timestamp?: number | undefined;
  /** Of the payload's shape. */
  version?: number | undefined;
  /** A W3C `traceparent`. */
  trace?: string | undefined;
}

const FIELDS = [
  "id",
  "re",
  "room",
  "priority",
  "sender",
  "offset",
  "epoch",
  "covers",
  "timestamp",
  "version",
  "trace",
] as const;

/** One application message. */
export class Message<Payload = unknown, Type extends string = string> implements MessageFields {
  declare id?: string | undefined;
  declare re?: string | undefined;
  declare room?: string | undefined;
  declare sender?: string | undefined;
  declare offset?: number | undefined;
  declare epoch?: string | undefined;
  declare covers?: readonly (readonly [number, number])[] | undefined;
  declare timestamp?: number | undefined;
  declare trace?: string | undefined;
  readonly priority: Priority = "normal";
  readonly version: number = 0;

  constructor(
    readonly type: Type,
    readonly payload: Payload,
    fields: MessageFields = {},
  ) {
    for (const key of FIELDS) {
      if (fields[key] != null) (this as Record<string, unknown>)[key] = fields[key];
    }
  }

  /** The same as `room`. */
  get roomId(): string | undefined {
    return this.room;
  }
}

/** Return the map that a message is on the wire; what has its default is left out. */
export function envelope(message: Message): Record<string, unknown> {
  const map: Record<string, unknown> = { type: message.type };
  for (const key of FIELDS) {
    const value = message[key];
    if (value != null && value !== "normal" && !(key === "version" && value === 0)) map[key] = value;
  }
  if (message.payload !== undefined) map.payload = message.payload;
  return map;
}

/** Make a message of the map that came; `Undecodable` if a field is missing or is not what it should be. */
export function fromMap(came: unknown): Message | Undecodable {
  const map = came as Record<string, unknown> | undefined;
  if (!map) return new Undecodable("it is not JSON");
  const wrong = odd(map);
  return wrong
    ? new Undecodable(`\`${wrong}\` is missing or wrong`)
    : new Message(map.type as string, map.payload, map as MessageFields);
}

/** Return the field of a message that is missing or is not what it should be, if any. */
export function odd(map: Record<string, unknown>): string | undefined {
  const { type } = map;
  return isText(type, 128) && type ? FIELDS.find((key) => map[key] != null && !isGood(key, map[key])) : "type";
}

function isGood(key: string, value: unknown): boolean {
  if (key === "timestamp") return typeof value === "number";
  if (key === "offset" || key === "version") return Number.isSafeInteger(value) && (value as number) >= 0;
  if (key === "covers") {
    return (
      Array.isArray(value) &&
      value.length <= 64 &&
      value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((n) => isGood("offset", n)))
    );
  }
  return key === "priority" ? PRIORITIES.includes(value as Priority) : isText(value, 256);
}

/** Say whether a value is text of at most so many characters, without half a character in it. */
function isText(value: unknown, most: number): value is string {
  if (typeof value !== "string" || /[\ud800-\udfff]/u.test(value)) return false;
  // A character may take two places in a string.
  return value.length <= most || (value.length <= 2 * most && [...value].length <= most);
}

/** A map, whatever is in it. */
export type Fields = Readonly<Record<string, unknown>>;

/** Return the map that a value is; an empty one if it is none. */
export function asMap(value: unknown): Fields {
  return typeof value === "object" && value && !Array.isArray(value) ? (value as Fields) : {};
}

/** A control item: `["ack", {"n": 5}]`. Never counted. */
export class Control {
  constructor(
    readonly name: string,
    readonly fields: Readonly<Record<string, unknown>> = {},
  ) {}
}

/** An item that is a message by its first byte and could not be decoded. It is counted. */
export class Undecodable {
  constructor(readonly reason: string) {}
}

/** What a frame consists of. */
export type Item = Message | Control | Undecodable;
