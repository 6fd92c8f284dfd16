import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { waysToShare, withParameters, writeMessage } from '../src/widget/networks.js';
import { chooseWords } from '../src/widget/words.js';

const strings = JSON.parse(await readFile(new URL('../src/widget/strings.json', import.meta.url), 'utf8'));

test('every language has every word, with the same places to fill', () => {
  const places = (/** @type {string} */ word) => word.match(/\{\w+\}/g)?.sort() ?? [];
  assert.deepEqual(Object.keys(strings), ['en', 'de', 'fr', 'es']);
  for (const [language, words] of Object.entries(strings)) {
    assert.deepEqual(Object.keys(words), Object.keys(strings.en), language);
    for (const [key, word] of Object.entries(words)) {
      assert.ok(word.trim().length > 0, `${language} ${key}`);
      assert.deepEqual(places(word), places(strings.en[key]), `${language} ${key}`);
    }
  }
});

test('the page chooses the language before the browser, and may use words of its own', () => {
  assert.equal(chooseWords(['', 'de-CH', 'fr'], undefined).submit, strings.de.submit);
  assert.equal(chooseWords([undefined, null, 'nl', 'pt_BR', 'es-419'], undefined).submit, strings.es.submit);
  assert.equal(chooseWords(['nl', 'constructor'], undefined).submit, strings.en.submit);
  const own = chooseWords(['en'], { title: 'Give 10, get 10', submit: 7, other: 'x' });
  assert.deepEqual([own.title, own.submit, Reflect.get(own, 'other')], ['Give 10, get 10', strings.en.submit, undefined]);
});

test('a message carries link and code into every network', () => {
  const link = 'https://refer.example/demo/abc?a=1&b=2';
  const message = writeMessage(strings.en, link, 'TEN & MORE');
  assert.ok(message.includes(link) && message.includes('TEN & MORE'));
  assert.ok(!writeMessage(strings.en, link, null).includes('{'));
  const ways = waysToShare(strings.en, link, message, true);
  assert.deepEqual(ways.map((way) => way.network), ['email', 'whatsapp', 'facebook', 'twitter', 'sms']);
  for (const { network, address } of ways) {
    assert.ok(decodeURIComponent(address).includes(link), network);
    assert.ok(!address.includes(' ') && address.split('&b=2').length === 1, network);
  }
  assert.ok(!waysToShare(strings.en, link, message, false).some((way) => way.network === 'sms'));
});

test('the parameters of the page go on the link and replace none', () => {
  assert.equal(withParameters('https://r.example/a/b?x=1', { x: 2, y: 'z w', n: 3, o: {} }), 'https://r.example/a/b?x=1&y=z+w&n=3');
  for (const none of [undefined, null, 'x']) assert.equal(withParameters('https://r.example/a', none), 'https://r.example/a');
});
