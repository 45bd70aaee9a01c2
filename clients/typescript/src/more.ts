/** What every client has that can load it: see `beside.ts`. */

export { Climber } from "./climb.js";
export { compressors, inbound } from "./inflate.js";
export { batches } from "./wire/batches.js";
export { Parts, type Piece, type Place, parsePlace, SMALLEST } from "./wire/parts.js";
