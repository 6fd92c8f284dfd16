// The order tracking script: takes the place of `window.friendbuy`, obeys what was pushed before it came, and from then
// on what is pushed. See README.md beside it for what it keeps and sends.

import { findServer } from './server.js';
import { Tracker } from './tracker.js';

const OURS = Symbol.for('goodword');

/** @typedef {unknown[] & { [OURS]?: Tracker }} Queue */

function start() {
  const page = /** @type {{ friendbuy?: Queue }} */ (/** @type {unknown} */ (window));
  const queue = Array.isArray(page.friendbuy) ? page.friendbuy : [];
  page.friendbuy = queue;
  const server = findServer();
  // Theme and plugin often load the script both: one is enough.
  if (queue[OURS] || !server) return;
  const tracker = new Tracker(server);
  queue[OURS] = tracker;
  const waiting = queue.splice(0);
  queue.push = (...commands) => {
    tracker.run(commands);
    return 0;
  };
  tracker.run(waiting);
}

start();
