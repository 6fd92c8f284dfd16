// The share box: an e-mail address goes in; a link, a coupon code if there is one, and ways to pass them on come out.
// It lives in a shadow root, so the shop's styles and this one's leave each other alone.

import { copy, dress, element } from './elements.js';
import { waysToShare, withParameters, writeMessage } from './networks.js';
import { chooseWords } from './words.js';

/** @typedef {import('../frames.js').Host} Host */
/** @typedef {import('../frames.js').Wish} Wish */
/** @typedef {{ referral_code: string, trackable_link: string, coupon_code: string | null }} Given */

/** @type {{ status: number, given?: Given }} */
const NO_ANSWER = { status: 0 };

export class Box {
  #host;
  #wish;
  #configuration;
  #words;
  #isBusy = false;
  #form;
  #email;
  #button;
  #error;
  #result;
  #status;

  /**
   * @param {Element} container
   * @param {Wish} wish
   * @param {Host} host
   */
  constructor(container, wish, host) {
    this.#host = host;
    this.#wish = wish;
    this.#configuration = /** @type {Record<string, unknown>} */ (wish.options.configuration ?? {});
    const page = container.closest('[lang]')?.getAttribute('lang');
    const { language, strings } = this.#configuration;
    this.#words = chooseWords([typeof language === 'string' ? language : '', page, ...navigator.languages], strings);
    const words = this.#words;

    this.#email = element('input', {
      class: 'field', part: 'field', id: 'email', type: 'email', name: 'email', autocomplete: 'email', inputmode: 'email',
      required: true, maxlength: 255, 'aria-describedby': 'error',
    });
    this.#email.value = String(host.customer()?.email ?? '');
    this.#button = element('button', { class: 'main', part: 'button', type: 'submit' }, words.submit);
    this.#error = element('p', { class: 'error', part: 'error', id: 'error', role: 'alert', hidden: true });
    this.#form = element('form', { part: 'form', novalidate: true },
      element('p', { part: 'text' }, words.text),
      element('label', { for: 'email', part: 'label' }, words.email),
      element('div', { class: 'row' }, this.#email, this.#button),
      this.#error);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#ask();
    });
    this.#result = element('div', { part: 'result', hidden: true });
    this.#status = element('p', { class: 'status', part: 'status', role: 'status' });

    const outer = document.createElement('goodword-widget');
    const root = outer.attachShadow({ mode: 'open' });
    dress(root);
    root.append(element('section', { class: 'box', part: 'box', 'aria-labelledby': 'title' },
      element('h2', { id: 'title', part: 'title' }, words.title), this.#form, this.#result, this.#status));
    container.append(outer);
  }

  async #ask() {
    if (this.#isBusy) return;
    const email = this.#email.value.trim();
    if (!this.#email.validity.valid || !email) return this.#fail('error_email');
    this.#setBusy(true);
    const answer = await this.#host.post('referral_codes', this.#question(email)).then(read).catch(() => NO_ANSWER);
    this.#setBusy(false);
    if (answer.status === 200 && answer.given) return this.#show(answer.given, email);
    return this.#fail(complaint(answer.status));
  }

  /** @param {string} email */
  #question(email) {
    const known = this.#host.customer();
    // The id and name that the page knows belong to the address that it knows.
    const customer = known?.email === email ? known : { email };
    // Ids of another kind come from pages written for another server: they mean the account's campaign.
    const campaign = /^\d+$/.test(this.#wish.id) ? { campaign: { id: Number(this.#wish.id) } } : {};
    return { ...campaign, customer };
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    this.#isBusy = isBusy;
    this.#button.setAttribute('aria-disabled', String(isBusy));
    this.#button.textContent = isBusy ? this.#words.busy : this.#words.submit;
    if (isBusy) this.#complain('');
  }

  /** @param {'error_email' | 'error_offline' | 'error_busy' | 'error_gone' | 'error_later'} why */
  #fail(why) {
    this.#complain(this.#words[why]);
    this.#email.setAttribute('aria-invalid', String(why === 'error_email'));
    this.#email.focus();
  }

  /** @param {string} message */
  #complain(message) {
    this.#error.textContent = message;
    this.#error.hidden = message === '';
    this.#email.removeAttribute('aria-invalid');
  }

  /**
   * @param {Given} given
   * @param {string} email
   */
  #show(given, email) {
    const words = this.#words;
    const link = withParameters(given.trackable_link, this.#wish.options.parameters);
    const code = given.coupon_code;
    const message = writeMessage(words, link, code);
    /** @param {string} network */
    const report = (network) => {
      const share = { referral_code: given.referral_code, network, message, email };
      void this.#host.post('shares', share).catch(() => undefined);
      this.#host.emit('share.success', { ...share, trackable_link: link });
    };
    this.#host.emit('link.created', { ...given, trackable_link: link });
    const field = this.#field('link', words.link, link, words.copy_link, report);
    this.#result.append(...field);
    if (code) this.#result.append(...this.#field('code', words.code, code, words.copy_code, report));
    const hasPhone = matchMedia('(pointer: coarse)').matches;
    const buttons = waysToShare(words, link, message, hasPhone).map(({ network, label, address }) => {
      const way = element('a', { class: 'side', part: `share share-${network}`, href: address, target: '_blank', rel: 'noopener noreferrer' }, label);
      way.addEventListener('click', () => report(network));
      return way;
    });
    this.#result.append(
      element('span', { class: 'label', id: 'share', part: 'label' }, words.share),
      element('div', { class: 'row shares', role: 'group', 'aria-labelledby': 'share' }, ...buttons, ...this.#native(link, message, report)));
    this.#form.hidden = true;
    this.#result.hidden = false;
    this.#status.textContent = words.ready;
    field[1]?.querySelector('input')?.focus();
  }

  /**
   * A text with a button that copies it.
   * @param {string} id
   * @param {string} label
   * @param {string} value
   * @param {string} action
   * @param {(network: string) => void} report
   */
  #field(id, label, value, action, report) {
    const field = element('input', { class: `field ${id}`, part: `field ${id}`, id, readonly: true, value });
    const button = element('button', { class: 'main copy', part: 'button copy', type: 'button' }, action);
    field.addEventListener('focus', () => field.select());
    button.addEventListener('click', async () => {
      const isCopied = await copy(field);
      this.#status.textContent = isCopied ? this.#words.copied : this.#words.copy_by_hand;
      if (!isCopied) return;
      report('copy');
      button.textContent = this.#words.copied;
      setTimeout(() => (button.textContent = action), 2_000);
    });
    return [element('label', { for: id, part: 'label' }, label), element('div', { class: 'row' }, field, button)];
  }

  /**
   * The system's own way to share, where it has one.
   * @param {string} link
   * @param {string} message
   * @param {(network: string) => void} report
   */
  #native(link, message, report) {
    if (!navigator.share) return [];
    const text = message.replace(link, '').trim();
    const button = element('button', { class: 'side', part: 'share share-native', type: 'button' }, this.#words.native);
    button.addEventListener('click', () => {
      // Closing the sheet without sharing is no share.
      navigator.share({ text, url: link }).then(() => report('native'), () => undefined);
    });
    return [button];
  }
}

/**
 * @param {Response} answer
 * @returns {Promise<{ status: number, given?: Given }>}
 */
async function read(answer) {
  return answer.ok ? { status: answer.status, given: await answer.json() } : { status: answer.status };
}

/** @param {number} status */
function complaint(status) {
  if (status === NO_ANSWER.status) return 'error_offline';
  if (status === 400) return 'error_email';
  if (status === 404) return 'error_gone';
  return status === 429 ? 'error_busy' : 'error_later';
}
