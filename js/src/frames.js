// Where widgets go: finds the containers that a page names, waits for those that its framework has yet to draw, and
// fetches the widget's own file when the first one is there.

/**
 * What the widget may ask of the tracker.
 * @typedef {object} Host
 * @property {() => Record<string, unknown> | undefined} customer
 * @property {(path: string, facts: object) => Promise<Response>} post
 * @property {(event: string, value: unknown) => void} emit
 */
/** @typedef {{ id: string, options: Record<string, unknown> }} Wish */
/** @typedef {(container: Element, wish: Wish, host: Host) => void} Mount */

/** Set by the build: changes with the widget's file, so that no browser pairs an old one with a new tracker. */
const VERSION = globalThis.WIDGET_VERSION;

export class Frames {
  /** @type {Array<Wish & { selector: unknown }>} */
  #wishes = [];
  /** @type {Array<[Element, Wish]>} found, while the widget's file is on its way */
  #found = [];
  /** @type {WeakSet<Element>} */
  #taken = new WeakSet();
  /** @type {Mount | undefined} */
  #mount;
  #isFetched = false;
  /** @type {MutationObserver | undefined} */
  #observer;
  #tag;
  #host;

  /**
   * @param {HTMLScriptElement} tag the tracker's own
   * @param {Host} host
   */
  constructor(tag, host) {
    this.#tag = tag;
    this.#host = host;
  }

  /**
   * @param {unknown} id
   * @param {unknown} selector a selector, an element, or already the options
   * @param {unknown} options
   */
  add(id, selector, options) {
    const isPlace = typeof selector === 'string' || selector instanceof Element;
    const given = isPlace ? options : (options ?? selector);
    const name = String(id ?? '');
    if (typeof selector === 'string') document.querySelector(selector || '*'); // Throws now, not at each change of the page.
    this.#wishes.push({
      id: name,
      selector: isPlace && selector !== '' ? selector : `.friendbuy-${CSS.escape(name)}`,
      options: given && typeof given === 'object' ? /** @type {Record<string, unknown>} */ (given) : {},
    });
    this.#look();
  }

  /** @param {unknown} mount the widget's file has come */
  ready(mount) {
    if (typeof mount !== 'function') return;
    this.#mount = /** @type {Mount} */ (mount);
    for (const [container, wish] of this.#found.splice(0)) this.#mount(container, wish, this.#host);
  }

  #look() {
    this.#wishes = this.#wishes.filter((wish) => !this.#fulfil(wish));
    if (this.#wishes.length === 0) {
      this.#observer?.disconnect();
      this.#observer = undefined;
    } else if (!this.#observer) {
      this.#observer = new MutationObserver(() => this.#look());
      this.#observer.observe(document.documentElement, { childList: true, subtree: true });
    }
  }

  /** @param {Wish & { selector: unknown }} wish */
  #fulfil(wish) {
    const places = findPlaces(wish.selector);
    for (const place of places) {
      if (this.#taken.has(place)) continue;
      this.#taken.add(place);
      if (this.#mount) this.#mount(place, wish, this.#host);
      else this.#found.push([place, wish]);
    }
    if (places.length > 0) this.#fetch();
    return places.length > 0;
  }

  #fetch() {
    if (this.#isFetched) return;
    this.#isFetched = true;
    const script = document.createElement('script');
    script.async = true;
    // A policy that trusts the tracker by its nonce trusts the widget by the same.
    script.nonce = this.#tag.nonce;
    script.src = this.#tag.src.replace(/[^/]*$/, `widget.js?v=${VERSION}`);
    document.head.append(script);
  }
}

/**
 * @param {unknown} selector
 * @returns {Element[]}
 */
function findPlaces(selector) {
  return selector instanceof Element ? [selector] : [...document.querySelectorAll(String(selector))];
}
