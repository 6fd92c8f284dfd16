// Orders on their way: each is kept in local storage before it is sent, and until the server has answered for it. What
// the network lost goes out on the next page. The server counts an order once, so sending twice is safe; losing is not.

import { recall, store } from './memory.js';
import { post, postAtLast } from './server.js';
import { json } from './values.js';

const KEY = 'gw_outbox';
const ENTRIES_MAX = 20;
const AGE_MS_MAX = 7 * 86_400_000;
/** Time for products and a customer that are pushed right after their order. */
const GATHER_MS = 300;
const RETRY_MS = 5_000;
const RETRY_MS_MAX = 300_000;

/** @typedef {{ key: string, url: string, body: string, bare?: string | undefined, at: number }} Entry */

export class Outbox {
  /** @type {Entry[]} what this page has put in, should the browser keep nothing */
  #mine = [];
  /** @type {Map<string, string>} bodies that the server has answered for, by key */
  #answered = new Map();
  /** @type {Entry | undefined} */
  #inFlight;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #failures = 0;
  #report;

  /** @param {(key: string, status: number) => void} report told of each answer that settles an entry */
  constructor(report) {
    this.#report = report;
    addEventListener('online', () => this.#wake(0));
    addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.#wake(0));
    addEventListener('pagehide', () => this.#leave());
  }

  /**
   * Puts an order in, in the place of what was known of it before.
   * @param {string} key
   * @param {string} url
   * @param {string} body
   * @param {string} bare the least of it, should the server refuse the rest
   */
  put(key, url, body, bare) {
    if (this.#answered.get(key) === body) return;
    this.#place({ key, url, body, bare, at: Date.now() });
    this.#wake(GATHER_MS);
  }

  /** @param {Entry} entry */
  #place(entry) {
    const others = (/** @type {Entry[]} */ entries) => entries.filter((one) => one.key !== entry.key);
    this.#mine = [...others(this.#mine), entry].slice(-ENTRIES_MAX);
    this.#write([...others(this.#read()), entry]);
  }

  /** Sends what an earlier page could not. */
  resume() {
    if (this.#read().length > 0) this.#wake(GATHER_MS);
  }

  /** Forgets what was not sent. */
  clear() {
    clearTimeout(this.#timer);
    this.#mine = [];
    store(KEY, undefined);
  }

  /** @returns {Entry[]} oldest first */
  #read() {
    const since = Date.now() - AGE_MS_MAX;
    let kept = [];
    try {
      kept = JSON.parse(recall(KEY) ?? '[]').filter(
        (/** @type {Entry} */ one) => one?.url && one.body && one.at > since,
      );
    } catch {
      // Somebody else's, or broken: as good as none.
    }
    const elsewhere = this.#mine.filter((own) => !kept.some((/** @type {Entry} */ one) => one.key === own.key));
    // What a full storage could not strike out is not sent for ever.
    return [...elsewhere, ...kept].filter((one) => this.#answered.get(one.key) !== one.body);
  }

  /** @param {Entry[]} entries */
  #write(entries) {
    store(KEY, entries.length > 0 ? json(entries.slice(-ENTRIES_MAX)) : undefined);
  }

  /** @param {number} delay_ms */
  #wake(delay_ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#send(), delay_ms);
  }

  /** Newest first, one after the other: if the network fails for one, it fails for all. */
  async #send() {
    if (this.#inFlight) return;
    for (let entry = this.#read().pop(); entry; entry = this.#read().pop()) {
      this.#inFlight = entry;
      const status = await post(entry.url, entry.body).then((answer) => answer.status, () => 0);
      this.#inFlight = undefined;
      if (status === 0 || status === 408 || status === 429 || status >= 500) {
        this.#wake(Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX));
        this.#failures += 1;
        return;
      }
      this.#failures = 0;
      if (status === 400 && entry.bare) this.#place({ ...entry, body: entry.bare, bare: undefined });
      else this.#settle(entry, status);
    }
  }

  /**
   * @param {Entry} entry
   * @param {number} status
   */
  #settle(entry, status) {
    this.#answered.set(entry.key, entry.body);
    // What was learnt of the order meanwhile stays.
    const isOther = (/** @type {Entry} */ one) => one.key !== entry.key || one.body !== entry.body;
    this.#mine = this.#mine.filter(isOther);
    this.#write(this.#read().filter(isOther));
    this.#report(entry.key, status);
  }

  #leave() {
    for (const entry of this.#mine) {
      if (entry.body !== this.#inFlight?.body) postAtLast(entry.url, entry.body);
    }
  }
}
