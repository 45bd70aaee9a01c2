/** The demo page's copy of the client, which is in the tree so that nobody needs Node to see the page. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bundle } from "../scripts/bundle.mjs";

const COPY = new URL("../../../plugins/playground/rtcore_playground/static/rtcore-client.js", import.meta.url);

describe("the demo page's client", () => {
  it("is what these sources give; `make page` renews it", async () => {
    const copy = readFileSync(fileURLToPath(COPY), "utf8");
    // Not compared by the matcher: nobody wants to read the difference of two minified files.
    expect(copy === (await bundle())).toBe(true);
  });

  it("says what it is and how it is made", () => {
    const [first] = readFileSync(fileURLToPath(COPY), "utf8").split("\n");
    expect(first).toMatch(/^\/\/ @rtcore\/client [\d.]+, MIT\. Built from clients\/typescript by `make client-ts`/);
  });
});
