/** What `rtcore-client.js` is made of; see `bundle.mjs`. */
export declare function bundle(): Promise<string>;
