// Whether anything may be kept or sent. An opt-out beats everything, then comes what the page says, then the browser's
// Global Privacy Control and the tag's `data-consent="required"`. Otherwise yes.

import { optOut } from './memory.js';

export class Consent {
  /** @type {boolean | undefined} what the page says */
  #given;
  #isRequired;

  /** @param {boolean} isRequired whether silence means no */
  constructor(isRequired) {
    this.#isRequired = isRequired || Reflect.get(navigator, 'globalPrivacyControl') === true;
  }

  /** @param {boolean} given */
  give(given) {
    this.#given = given;
  }

  get isGiven() {
    return !optOut.isSet() && (this.#given ?? !this.#isRequired);
  }
}
