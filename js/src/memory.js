// What this browser remembers for the shop: the click in a first-party cookie, a random id of the browser and what
// could not be sent yet in local storage. Nothing is written before consent; `forget` takes all of it away.
// A browser that remembers nothing costs the memory, never the page.

import { json } from './values.js';

const CLICK = 'fbuy_ref';
const OPT_OUT = 'gw_opt_out';
const DAY_S = 86_400;
const OURS = ['gw_shopper', 'gw_customer', 'gw_outbox'];

/** @typedef {{ code: string, visit?: string | undefined, at: number }} Click */

/** @param {string} name */
function readCookie(name) {
  const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/** @returns {Click | undefined} */
export function readClick() {
  try {
    const click = JSON.parse(decodeURIComponent(readCookie(CLICK) ?? ''));
    return typeof click?.code === 'string' ? click : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Click} click
 * @param {number} days
 */
export function writeClick(click, days) {
  writeCookie(CLICK, encodeURIComponent(json(click)), days * DAY_S);
}

export const hasOptedOut = () => readCookie(OPT_OUT) === '1';

/** @param {boolean} out */
export const setOptOut = (out) => writeCookie(OPT_OUT, '1', out ? 400 * DAY_S : 0);

/**
 * Writes a cookie for the widest domain that the browser allows, so that it holds from www.shop.example to
 * checkout.shop.example: the shortest first, since browsers refuse those that belong to everybody, such as co.uk.
 * @param {string} name
 * @param {string} value
 * @param {number} age_s zero removes it
 */
function writeCookie(name, value, age_s) {
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  const rest = `=${value}; Path=/; Max-Age=${age_s}; SameSite=Lax${secure}`;
  const labels = location.hostname.split('.');
  const isAddress = /^[\d.]+$|:/.test(location.hostname);
  for (let count = 2; count <= labels.length && !isAddress; count += 1) {
    document.cookie = `${name}${rest}; Domain=${labels.slice(-count).join('.')}`;
    if (age_s > 0 && readCookie(name) === value) return;
  }
  document.cookie = name + rest;
}

export function forget() {
  writeCookie(CLICK, '', 0);
  for (const key of OURS) store(key, undefined);
}

/**
 * @param {string} key
 * @returns {string | undefined}
 */
export function recall(key) {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} key
 * @param {string | undefined} value
 */
export function store(key, value) {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Full, or forbidden: this page goes on with what it has in hand.
  }
}

/** A random id of this browser, made at the first need. */
export function shopper() {
  let id = recall('gw_shopper');
  if (!id) {
    id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    store('gw_shopper', id);
  }
  return id;
}
