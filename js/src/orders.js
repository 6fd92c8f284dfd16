// The order of this page, gathered from commands that come in any order: an order, its products, its customer. Pure.

import { json, order as readOrder, products as readProducts } from './values.js';

/** @typedef {import('./values.js').Facts} Facts */
/** @typedef {{ order: Facts, signature?: string | undefined, products: Facts[] }} Gathered */

/**
 * @param {unknown} one
 * @param {unknown} other
 */
const isSame = (one, other) => json(one) === json(other);

export class Orders {
  /** @type {Gathered[]} orders that have something new to tell */
  #ready = [];
  /** @type {Gathered | undefined} */
  #last;
  /** @type {Facts[]} products whose order has not come yet */
  #waiting = [];

  /**
   * @param {unknown} pushed
   * @returns {boolean} whether it could be read
   */
  addOrder(pushed) {
    const read = readOrder(pushed);
    if (!read) return false;
    const repeated = this.#last?.order.id === read.order.id ? this.#last : undefined;
    this.#last = { ...read, products: this.#waiting.length > 0 ? this.#waiting : (repeated?.products ?? []) };
    this.#waiting = [];
    this.#change();
    return true;
  }

  /**
   * Products belong to the order before them, unless that one has its own: then to the next.
   * @param {unknown} pushed
   */
  addProducts(pushed) {
    const products = readProducts(pushed);
    if (isSame(products, this.#last?.products)) return;
    if (!this.#last || this.#last.products.length > 0) {
      this.#waiting = products;
      return;
    }
    this.#last.products = products;
    this.#change();
  }

  #change() {
    const last = /** @type {Gathered} */ (this.#last);
    this.#ready = [...this.#ready.filter((one) => one.order.id !== last.order.id), last];
  }

  /** Takes what is to be told. */
  take() {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }
}
