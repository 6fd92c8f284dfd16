// Where the server is, and how to speak to it. The server is where this script came from; no other host is ever asked.

const NAMES = /\/js\/(friendbuy\.min|goodword)\.js([?#]|$)/;

/** @returns {{ base: string, tag: HTMLScriptElement } | undefined} */
export function findServer() {
  const current = document.currentScript;
  const tags = current instanceof HTMLScriptElement ? [current] : [];
  const tag = [...tags, ...document.querySelectorAll('script')].find((one) => NAMES.test(one.src));
  return tag && { base: tag.src.replace(/\/js\/[^/]*$/, ''), tag };
}

/**
 * Sends a body so that it survives the page. As text, since JSON would cost a question beforehand (a preflight).
 * @param {string} url
 * @param {string} body
 * @returns {Promise<Response>} rejected when the network failed
 */
export function post(url, body) {
  return fetch(url, { method: 'POST', body, keepalive: true, credentials: 'omit', mode: 'cors' });
}

/**
 * Hands a body over to the browser while the page is being left. Its answer is never known.
 * @param {string} url
 * @param {string} body
 */
export function postAtLast(url, body) {
  if (!navigator.sendBeacon?.(url, body)) void post(url, body).catch(() => undefined);
}
