// Whether anything may be kept or sent. An opt-out beats everything, then comes what the page says, then the browser's
// Global Privacy Control and the tag's `data-consent="required"`. Otherwise yes.

import { hasOptedOut } from './memory.js';

/**
 * @param {boolean | undefined} given what the page says
 * @param {HTMLScriptElement} tag
 */
export function mayTrack(given, tag) {
  if (hasOptedOut()) return false;
  return given ?? !(Reflect.get(navigator, 'globalPrivacyControl') === true || tag.dataset.consent === 'required');
}
