// What browser tests stand on: a real Chromium, a shop of plain pages, and a server that only writes down what it is told.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

/** With this set the script is an empty file, and every story must fail. */
export const IS_EMPTY = process.env.EMPTY_SCRIPT === '1';
/** How long something may take to appear. What never comes is waited for less. */
export const PATIENCE_MS = IS_EMPTY ? 2_000 : 10_000;

export const SHOP = 'www.shop.example';

/** A browser for which every name under .example is this machine. */
export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP *.example 127.0.0.1',
    ],
  });
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {import('playwright-core').BrowserContextOptions} options
 */
export async function openContext(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  if (IS_EMPTY) {
    await context.route(/\/js\/[\w.]+\.js/, (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
  }
  return context;
}

/** @param {import('node:http').RequestListener} listener */
async function listen(listener, port = 0) {
  const server = createServer(listener);
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  return server;
}

/** @param {import('node:http').Server} server */
const portOf = (server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port;

/** A shop whose pages are set one by one. */
export class Shop {
  /** @type {Map<string, { html: string, headers: Record<string, string> }>} */
  #pages = new Map();
  #server;

  /** @param {import('node:http').Server} server */
  constructor(server) {
    this.#server = server;
    server.on('request', (request, response) => {
      const page = this.#pages.get(new URL(request.url ?? '/', 'http://x').pathname);
      response.writeHead(page ? 200 : 404, { 'Content-Type': 'text/html; charset=utf-8', ...page?.headers });
      response.end(page?.html);
    });
  }

  static async open() {
    return new Shop(await listen(() => undefined));
  }

  /**
   * @param {string} path
   * @param {string} body
   * @param {{ headers?: Record<string, string>, lang?: string }} options
   */
  page(path, body, { headers = {}, lang = 'en' } = {}) {
    const html = `<!doctype html><html lang="${lang}"><head><title>Shop</title></head><body>${body}</body></html>`;
    this.#pages.set(path, { html, headers });
  }

  url(path = '/', host = SHOP) {
    return `http://${host}:${portOf(this.#server)}${path}`;
  }

  get origin() {
    return this.url('');
  }

  async close() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** @typedef {{ path: string, body: any, headers: import('node:http').IncomingHttpHeaders }} Told */

/** A server that answers as it is bidden and writes down what it is told. */
export class Recorder {
  /** @type {Told[]} */
  told = [];
  status = 204;
  /** @type {unknown} */
  answer = undefined;
  /** @type {import('node:http').Server | undefined} */
  #server;
  port = 0;

  static async open() {
    const recorder = new Recorder();
    await recorder.mend();
    return recorder;
  }

  get base() {
    return `http://refer.example:${this.port}`;
  }

  /** The network is away: nobody answers. */
  async cut() {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** The network is back. */
  async mend() {
    this.#server = await listen((request, response) => void this.#serve(request, response), this.port);
    this.port = portOf(this.#server);
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  async #serve(request, response) {
    const path = new URL(request.url ?? '/', 'http://x').pathname;
    const name = /^\/js\/(friendbuy\.min|goodword|widget)\.js$/.exec(path)?.[1];
    if (name) {
      const file = new URL(`../dist/${name === 'widget' ? name : 'goodword'}.js`, import.meta.url);
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(await readFile(file));
      return;
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.told.push({ path, body: JSON.parse(Buffer.concat(chunks).toString()), headers: request.headers });
    response.writeHead(this.status, { 'Access-Control-Allow-Origin': request.headers.origin ?? '', 'Content-Type': 'application/json' });
    response.end(this.answer === undefined ? undefined : JSON.stringify(this.answer));
  }

  /**
   * Waits until so many orders (or what else) were told, and gives their bodies.
   * @param {number} count
   */
  async bodies(count, kind = 'orders') {
    const found = () => this.told.filter((one) => one.path.endsWith(`/${kind}`));
    await eventually(() => found().length >= count, `${count} ${kind}, told: ${JSON.stringify(this.told)}`);
    return found().map((one) => one.body);
  }
}

/**
 * Asks until it is so.
 * @template T
 * @param {() => T | Promise<T>} ask
 * @param {string} what
 * @returns {Promise<NonNullable<T>>}
 */
export async function eventually(ask, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return /** @type {NonNullable<T>} */ (answer);
    if (Date.now() > end) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * The public snippet: the queue with the site's key, and a tag that is put before the first script of the page.
 * @param {string} base
 * @param {string} site
 */
export function snippet(base, site, commands = '') {
  return `<script>
    window['friendbuy'] = window['friendbuy'] || [];
    window['friendbuy'].push(['site', '${site}']);
    ${commands}
    (function () {
      var tag = document.createElement('script'), first = document.getElementsByTagName('script')[0];
      tag.async = true;
      tag.src = '${base.replace('http:', '')}/js/friendbuy.min.js';
      first.parentNode.insertBefore(tag, first);
    })();
  </script>`;
}
