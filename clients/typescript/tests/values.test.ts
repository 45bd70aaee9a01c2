/** Values keep their types in both codecs, and what would arrive as something else is refused where it is sent. */

import { describe, expect, it } from "vitest";
import * as cbor from "../src/cbor.js";
import { fromJson, toJson } from "../src/wire/values.js";
import { type Row, unhex, vectors } from "./support/vectors.js";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const CODECS = {
  json: { write: toJson, read: (data: unknown) => fromJson(data as string), wire: (row: Row) => row.json },
  cbor: {
    write: cbor.encode,
    read: (data: unknown) => cbor.decode(data as Uint8Array<ArrayBuffer>),
    wire: (row: Row) => unhex(row.cbor),
  },
};
const FORMS = Object.entries(CODECS);

/** Return what `means` of a row means; see the README of the vectors. */
function meant(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meant);
  if (typeof value !== "object" || !value) return value;
  const [[kind, said]] = Object.entries(value) as [[string, string & [string, unknown][]]];
  if (kind === "map") return Object.fromEntries(said.map(([key, one]) => [key, meant(one)]));
  if (kind === "bytes") return unhex(said);
  if (kind === "float") return new DataView(unhex(said).buffer).getFloat64(0);
  return Number.isSafeInteger(Number(said)) ? Number(said) : BigInt(said);
}

/** Return a value as what can be compared: `toStrictEqual` does not see a key `__proto__`. */
function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== "object" || !value || value instanceof Uint8Array) return value;
  return { map: Object.entries(value).map(([key, one]) => [key, told(one)]) };
}

describe.each(FORMS)("%s", (name, { write, read, wire }) => {
  it.each(vectors("values"))("$name", (row) => {
    const value = meant(row.means);
    expect(told(read(wire(row)))).toStrictEqual(told(value));
    expect(told(read(write(value)))).toStrictEqual(told(value));
    // JavaScript has one type of numbers, so the text of a float may differ; what it means does not.
    if (!("reads" in row) && name === "cbor" && !/float/.test(JSON.stringify(row.means))) {
      expect(hex(write(value) as Uint8Array)).toBe(row.cbor);
    }
  });

  it.each([
    ["a Map", new Map([[1, 2]])],
    ["a Set", { it: new Set([1]) }],
    ["a Promise", [Promise.resolve()]],
    ["a RegExp", /x/],
    ["an Error", { error: new Error("x") }],
    ["a Float32Array", new Float32Array(2)],
    ["an ArrayBuffer", new ArrayBuffer(2)],
    ["a DataView", new DataView(new ArrayBuffer(2))],
    ["a function", { done() {} }],
    ["a symbol", { it: Symbol("x") }],
    ["half an emoji", { text: "\u{1F600}".slice(0, 1) }],
    ["half an emoji as a key", { ["\u{1F600}".slice(1)]: 1 }],
    ["too many digits", { n: 10n ** 4300n }],
    ["too many digits below zero", { n: -(10n ** 4300n) }],
  ])("%s is refused", (_, value) => {
    expect(() => write({ type: "a", payload: value })).toThrow(TypeError);
    expect(() => write({ type: "a", payload: value })).toThrow(/cannot be sent/);
  });

  it("says of what is refused where it is", () => {
    expect(() => write({ items: [{ size: new Map() }] })).toThrow("`size`: a Map cannot be sent");
  });

  it("refuses what is nested too deeply, or holds itself", () => {
    const nested = (depth: number, inmost: unknown) => {
      let value = inmost;
      for (let n = 0; n < depth; n++) value = n % 2 ? [value] : { in: value };
      return value;
    };
    for (const inmost of ["[{]}", Uint8Array.of(1), Number.NaN]) {
      const deepest = { payload: nested(128, inmost) };
      expect(read(write(deepest))).toStrictEqual(deepest);
    }
    const itself: unknown[] = [];
    itself.push(itself);
    for (const value of [nested(130, 1), itself]) expect(() => write({ payload: value })).toThrow();
  });

  it("keeps bytes of every kind of view, and what has a toJSON is what that returns", () => {
    const backed = Uint8Array.of(0, 1, 2, 3).subarray(1, 3);
    for (const bytes of [backed, Buffer.from(backed), new Uint8ClampedArray(backed), new Int8Array(backed)]) {
      expect(read(write({ bytes }))).toStrictEqual({ bytes: Uint8Array.of(1, 2) });
    }
    const when = new Date("2026-01-02T03:04:05Z");
    expect(read(write({ when, it: { toJSON: () => [Uint8Array.of(1)] } }))).toStrictEqual({
      when: when.toJSON(),
      it: [Uint8Array.of(1)],
    });
    expect(read(write([undefined, { gone: undefined }]))).toStrictEqual([null, {}]);
  });

  it("keeps numbers, whatever their size", () => {
    const numbers = [
      2 ** 53,
      -(2 ** 60),
      1e21,
      1e308,
      5e-324,
      0.1,
      123456789.12345678,
      2n ** 53n,
      -(2n ** 64n),
      10n ** 300n,
    ];
    expect(read(write(numbers))).toStrictEqual(numbers);
    expect(read(write(["12345678901234567890", '"', "\\", '\\"12345678901234567890', "1e999"]))).toStrictEqual([
      "12345678901234567890",
      '"',
      "\\",
      '\\"12345678901234567890',
      "1e999",
    ]);
    expect(Object.is((read(write([-0])) as number[])[0], -0)).toBe(true);
  });

  it("keeps what looks like a marker, however often it is written", () => {
    let value: unknown = { $bytes: "aGk=" };
    for (let n = 0; n < 5; n++) {
      value = read(write({ $float: value }));
      expect(read(write(value))).toStrictEqual(value);
      value = (value as { $float: unknown }).$float;
    }
    for (const key of ["$bytes", "$$bytes", "$float", "$$$float"]) {
      for (const inner of ["aGk=", "NaN", 1, null, {}, { $bytes: "aGk=" }, Uint8Array.of(1)]) {
        expect(read(write({ [key]: inner }))).toStrictEqual({ [key]: inner });
      }
    }
  });
});
