/** What the first hello waits for is here before the tests of a client: they count turns of the loop. */

import { fetchMore } from "../../src/beside.js";

await fetchMore();
