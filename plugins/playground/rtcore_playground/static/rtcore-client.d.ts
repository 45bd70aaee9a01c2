/** What the built client has for types: those of its sources. For the checks of this tree; not part of the wheel. */
export * from "../../../../clients/typescript/src/index.js";
