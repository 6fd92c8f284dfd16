// Where a link can be passed on to. These are addresses to be opened by hand; nothing of any network is loaded. Pure.

import { fill } from './words.js';

/** @typedef {{ network: string, label: string, address: string }} Way */

/**
 * @param {import('./words.js').Words} words
 * @param {string} link
 * @param {string | null} code
 */
export function writeMessage(words, link, code) {
  return code ? fill(words.message_code, { link, code }) : fill(words.message, { link });
}

/**
 * @param {import('./words.js').Words} words
 * @param {string} link
 * @param {string} message with the link in it
 * @param {boolean} hasPhone
 * @returns {Way[]}
 */
export function waysToShare(words, link, message, hasPhone) {
  const text = encodeURIComponent(message);
  const ways = [
    { network: 'email', label: words.email_share, address: `mailto:?subject=${encodeURIComponent(words.subject)}&body=${text}` },
    { network: 'whatsapp', label: 'WhatsApp', address: `https://wa.me/?text=${text}` },
    { network: 'facebook', label: 'Facebook', address: `https://www.facebook.com/sharer/sharer.php?u=${encodeURIComponent(link)}` },
    { network: 'twitter', label: 'X', address: `https://twitter.com/intent/tweet?text=${text}` },
  ];
  if (hasPhone) ways.push({ network: 'sms', label: words.sms, address: `sms:?&body=${text}` });
  return ways;
}

/**
 * The link with the parameters that the page wants on it. What it has already stays.
 * @param {string} link
 * @param {unknown} parameters
 */
export function withParameters(link, parameters) {
  if (!parameters || typeof parameters !== 'object') return link;
  const url = new URL(link);
  for (const [name, value] of Object.entries(parameters)) {
    if (!url.searchParams.has(name) && ['string', 'number'].includes(typeof value)) url.searchParams.set(name, String(value));
  }
  return url.href;
}
