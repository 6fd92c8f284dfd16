// What shops' pages push, made into what the server takes. Templates print numbers as text, nothing as an empty text,
// and lists as JSON; none of it may cost an order. Pure: knows no page and no server.

/** @typedef {Record<string, unknown>} Facts */

const TEXT_LENGTH_MAX = 255;
const ID_LENGTH_MAX = 64;
const PRODUCTS_MAX = 500;
/** Written out so often that its name is worth shortening. */
export const json = JSON.stringify;
/** What templates print where they have nothing. */
const NOTHING = new Set(['', 'undefined', 'null', 'NaN']);

/**
 * A text without its edges, or nothing. Of a list, its first text.
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function text(value) {
  if (Array.isArray(value)) return value.map(text).find((one) => one !== undefined);
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  // The server takes no NUL anywhere.
  const trimmed = String(value).replace(/\0/g, '').trim();
  return NOTHING.has(trimmed) ? undefined : trimmed.slice(0, TEXT_LENGTH_MAX);
}

/**
 * @param {unknown} value
 * @returns {boolean | undefined}
 */
export function flag(value) {
  const word = typeof value === 'boolean' ? String(value) : text(value)?.toLowerCase();
  if (word === 'true' || word === '1' || word === 'yes') return true;
  if (word === 'false' || word === '0' || word === 'no') return false;
  return undefined;
}

/**
 * An amount as plain digits: `1,234.50`, `1.234,50 EUR` and `&#36;12.50` as somebody would read them. A comma before
 * exactly three digits at the end groups thousands. What holds no digit is left as it is, for the server to refuse.
 * @param {unknown} value
 * @returns {string | number | undefined}
 */
export function amount(value) {
  // Sums of binary fractions end in noise.
  if (typeof value === 'number') return Number.isFinite(value) ? Number(value.toPrecision(15)) : undefined;
  const given = text(value);
  if (given === undefined) return undefined;
  // Tags, entities, and words with the dot of an abbreviation hold no part of the number.
  const bare = given.replace(/<[^>]*>|&#?\w+;|\p{L}+\.?|[^\d.,-]/gu, '').replace(/(?!^)-|[.,-]+$/g, '');
  if (!/\d/.test(bare)) return given;
  const at = Math.max(bare.lastIndexOf('.'), bare.lastIndexOf(','));
  if (at < 0) return bare;
  const mark = bare[at];
  const decimals = bare.slice(at + 1);
  const repeated = bare.indexOf(/** @type {string} */ (mark)) !== at;
  const groups = repeated || (mark === ',' && decimals.length === 3);
  const whole = bare.slice(0, at).replace(/[.,]/g, '');
  return groups ? whole + decimals : `${whole || '0'}.${decimals}`;
}

/**
 * @param {unknown} value an object, or its JSON
 * @returns {Facts}
 */
export function facts(value) {
  const read = parsed(value);
  return read && typeof read === 'object' && !Array.isArray(read) ? /** @type {Facts} */ (read) : {};
}

/** @param {unknown} value */
function email(value) {
  const address = text(value);
  // An order is worth more than an address that is none.
  return address && /^[^\s@]+@[^\s@]+$/.test(address) ? address : undefined;
}

/** @param {unknown} value */
function parsed(value) {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/**
 * Drops what is not known.
 * @param {Facts} given
 * @returns {Facts | undefined} nothing, if nothing is known
 */
function known(given) {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** @param {unknown} pushed */
export function customer(pushed) {
  const { id: given, email: address, first_name, last_name } = facts(pushed);
  const id = text(given);
  // An id that is too long would be another's when cut.
  return known({ id: id && id.length > ID_LENGTH_MAX ? undefined : id, email: email(address), first_name: text(first_name), last_name: text(last_name) });
}

/**
 * @param {unknown} pushed
 * @returns {{ order: Facts, signature: string | undefined } | undefined} nothing without an id
 */
export function order(pushed) {
  const given = facts(pushed);
  const id = text(given.id);
  if (id === undefined) return undefined;
  const currency = text(given.currency)?.toUpperCase();
  const date = given.date instanceof Date && !Number.isNaN(given.date.getTime()) ? given.date.toISOString() : text(given.date);
  const signature = text(given.signature);
  // A signature stands for the letters that were signed.
  const order = known({
    id: signature ? given.id : id,
    amount: signature ? given.amount : amount(given.amount),
    currency: currency && /^[A-Z]{3}$/.test(currency) ? currency : undefined,
    email: signature ? given.email : email(given.email),
    new_customer: flag(given.new_customer),
    coupon_code: text(given.coupon_code),
    date,
  });
  return { order: order ?? {}, signature };
}

/** @param {unknown} value */
function number(value) {
  const read = amount(value);
  return Number.isFinite(Number(read)) ? read : undefined;
}

/** @param {unknown} value */
function whole(value) {
  const count = Number(amount(value));
  return Number.isInteger(count) && count >= 0 ? count : undefined;
}

/**
 * @param {unknown} pushed a list, one product, a map of products, or the JSON of any of these
 * @returns {Facts[]}
 */
export function products(pushed) {
  const given = parsed(pushed);
  if (!given || typeof given !== 'object') return [];
  const single = !Array.isArray(given) && ['sku', 'price', 'quantity', 'name'].some((field) => field in given);
  const rows = single ? [given] : Object.values(given);
  return rows.slice(0, PRODUCTS_MAX).flatMap((row) => {
    const { sku, price, quantity, name } = facts(row);
    const product = known({ sku: text(sku), price: number(price), quantity: whole(quantity), name: text(name) });
    return product ? [product] : [];
  });
}
