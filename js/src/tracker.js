// The commands of the page: what each does, and when what is known is kept and sent. Commands come before or after the
// script, in any order, again and again. A command that makes no sense is passed over; none may throw into the page.

import { mayTrack } from './consent.js';
import { Frames } from './frames.js';
import { readLanding } from './landing.js';
import { forget, hasOptedOut, readClick, recall, setOptOut, shopper, store, writeClick } from './memory.js';
import { Orders } from './orders.js';
import { Outbox } from './outbox.js';
import { post } from './server.js';
import { customer, flag, json, text } from './values.js';

/** The server takes 64 KiB; what a browser sends from a page that is left is bounded alike. */
const BODY_BYTES_MAX = 60_000;

export class Tracker {
  /** @type {string | undefined} */
  #site;
  /** @type {import('./values.js').Facts | undefined} */
  #customer;
  /** @type {import('./memory.js').Click | undefined} the click, where it may not be kept (yet) */
  #click;
  #landing;
  #orders = new Orders();
  #base;
  #tag;
  /** @type {boolean | undefined} what the page says of consent */
  #consent;
  #hasTracked = false;
  #outbox;
  #frames;
  /** @type {Array<[unknown, Function]>} */
  #subscribers = [];

  /** @param {{ base: string, tag: HTMLScriptElement }} server */
  constructor({ base, tag }) {
    this.#base = base;
    this.#tag = tag;
    this.#landing = readLanding(location.href) ?? readLanding(firstAddress());
    this.#outbox = new Outbox((key, status) => this.#settled(key, status));
    this.#frames = new Frames(tag, {
      customer: () => this.#customer,
      post: (path, facts) => this.#post(path, facts),
      emit: (event, value) => this.#emit(event, value),
    });
  }

  /** @param {unknown[]} commands */
  run(commands) {
    for (const command of commands) {
      try {
        if (Array.isArray(command)) this.#obey(command);
      } catch (error) {
        console.warn('goodword:', error);
      }
    }
    this.#settle();
  }

  /** @param {unknown[]} command */
  #obey([name, first, second, third]) {
    switch (name) {
      case 'site':
        this.#site = text(first) ?? this.#site;
        break;
      case 'track':
        this.#track(first, second);
        break;
      case 'widget':
        this.#frames.add(first, second, third);
        break;
      case 'widget.ready':
        this.#frames.ready(first);
        break;
      case 'subscribe':
        if (typeof second === 'function') this.#subscribers.push([first, second]);
        break;
      case 'consent':
        this.#consent = flag(first) === true;
        break;
      case 'opt_out':
        setOptOut(flag(first) !== false);
        break;
    }
  }

  /**
   * @param {unknown} kind
   * @param {unknown} payload
   */
  #track(kind, payload) {
    if (kind === 'customer') this.#customer = customer(payload) ?? this.#customer;
    if (kind === 'products') this.#orders.addProducts(payload);
    if (kind === 'order' && !this.#orders.addOrder(payload)) throw new Error('an order without an id');
  }

  /**
   * @param {string} event
   * @param {unknown} value
   */
  #emit(event, value) {
    // A subscriber that throws harms nobody else.
    for (const [wanted, call] of this.#subscribers) if (wanted === event) setTimeout(() => call(value));
  }

  get #mayTrack() {
    return mayTrack(this.#consent, this.#tag);
  }

  /** Does what has become possible: keeps the click, tells of the customer, puts orders in. */
  #settle() {
    if (!this.#mayTrack) {
      // Pages withhold consent until a banner has answered, on each page anew: that alone takes nothing away.
      if (this.#hasTracked || hasOptedOut()) this.#forget();
      return;
    }
    this.#hasTracked = true;
    this.#keepClick();
    if (this.#site === undefined) return;
    this.#tellCustomer();
    for (const gathered of this.#orders.take()) this.#putOrder(gathered);
    this.#outbox.resume();
  }

  #forget() {
    forget();
    this.#click = undefined;
    this.#outbox.clear();
  }

  #keepClick() {
    const landing = this.#landing;
    if (!landing) return;
    this.#landing = undefined;
    const kept = readClick();
    const isKnown = kept?.code === landing.code && kept.visit === landing.visit;
    if (kept && (landing.keepsFirst || isKnown)) return;
    this.#click = { code: landing.code, visit: landing.visit, at: Date.now() };
    writeClick(this.#click, landing.days);
  }

  #tellCustomer() {
    if (!this.#customer) return;
    const body = json({ customer: this.#customer, shopper: shopper() });
    const mark = digest(this.#site + body);
    if (recall('gw_customer') === mark) return;
    store('gw_customer', mark);
    post(this.#url('customers'), body).catch(() => store('gw_customer', undefined));
  }

  /** @param {import('./orders.js').Gathered} gathered */
  #putOrder({ order, signature, products }) {
    const click = readClick() ?? this.#click;
    const { id, amount, currency, coupon_code } = order;
    const evidence = { referral_code: click?.code, visit: click?.visit, shopper: shopper() };
    const told = { order, customer: this.#customer, ...evidence, signature };
    const whole = json({ ...told, products: products.length > 0 ? products : undefined });
    const body = new Blob([whole]).size > BODY_BYTES_MAX ? json(told) : whole;
    const bare = json({ order: { id, amount, currency, coupon_code }, ...evidence });
    this.#outbox.put(`${this.#site} ${id}`, this.#url('orders'), body, bare);
  }

  /**
   * @param {string} key
   * @param {number} status
   */
  #settled(key, status) {
    if (status >= 400) console.warn(`goodword: order refused (${status}): ${key}`);
    else this.#emit('order.sent', { id: key.slice(key.indexOf(' ') + 1) });
  }

  /** @param {string} path */
  #url(path) {
    return `${this.#base}/t/${encodeURIComponent(this.#site ?? '')}/${path}`;
  }

  /**
   * For the widget, which is used by hand: asking for it is consent enough, but no id of the browser is made for it.
   * @param {string} path
   * @param {object} facts
   */
  #post(path, facts) {
    const body = this.#mayTrack ? { ...facts, shopper: shopper() } : facts;
    return post(this.#url(path), json(body));
  }
}

/** The address that the browser came to, should the page's own router have changed it since. */
function firstAddress() {
  return performance.getEntriesByType?.('navigation')[0]?.name ?? '';
}

/**
 * A short digest to recognise a text by, without keeping it.
 * @param {string} given
 */
function digest(given) {
  let hash = 5381;
  for (let index = 0; index < given.length; index += 1) hash = (Math.imul(hash, 33) ^ given.charCodeAt(index)) >>> 0;
  return hash.toString(36);
}
