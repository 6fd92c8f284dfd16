// The widget's words, in the language of the page, then of the browser, else in English. Pure.

import strings from './strings.json' with { type: 'json' };

/** @typedef {typeof strings.en} Words */

/**
 * @param {Array<string | undefined | null>} wanted languages such as `de-CH`, the best first
 * @param {unknown} own words that the page would rather use
 * @returns {Words}
 */
export function chooseWords(wanted, own) {
  const known = /** @type {Record<string, Words>} */ (strings);
  const language = wanted.map((one) => String(one ?? '').toLowerCase().split(/[-_]/)[0] ?? '').find((one) => Object.hasOwn(known, one));
  const words = { ...(known[language ?? 'en'] ?? strings.en) };
  if (own && typeof own === 'object') {
    for (const [key, word] of Object.entries(own)) if (key in words && typeof word === 'string') Reflect.set(words, key, word);
  }
  return words;
}

/**
 * @param {string} pattern
 * @param {Record<string, string>} values
 */
export function fill(pattern, values) {
  return pattern.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}
