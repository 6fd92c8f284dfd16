// What a referral link has put into the address of the page that it led to. Pure.

const WINDOW_DAYS_DEFAULT = 90;
/** Browsers keep no cookie longer. */
const WINDOW_DAYS_MAX = 400;

/**
 * @typedef {object} Landing
 * @property {string} code
 * @property {string | undefined} visit the server's proof of the click
 * @property {boolean} keepsFirst whether an earlier click stays
 * @property {number} days how long the click counts
 */

/**
 * @param {string} address
 * @returns {Landing | undefined}
 */
export function readLanding(address) {
  let given;
  try {
    given = new URL(address).searchParams;
  } catch {
    return undefined;
  }
  const code = given.get('fbuy_ref_code')?.trim();
  if (!code || !/^[\x21-\x7e]{1,64}$/.test(code)) return undefined;
  const visit = given.get('gw_visit');
  const days = Number(given.get('gw_days'));
  return {
    code,
    visit: visit && /^[\x21-\x7e]{1,1024}$/.test(visit) ? visit : undefined,
    keepsFirst: given.get('gw_keep') === 'first',
    days: Number.isInteger(days) && days > 0 ? Math.min(days, WINDOW_DAYS_MAX) : WINDOW_DAYS_DEFAULT,
  };
}
