import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLanding } from '../src/landing.js';

const at = (/** @type {string} */ query) => readLanding(`https://shop.example/a?${query}`);

test('the code, the visit and the terms are read from the address', () => {
  assert.deepEqual(at('x=1&fbuy_ref_code=abc&gw_visit=v.1&gw_keep=first&gw_days=30&utm_source=friendbuy'), {
    code: 'abc', visit: 'v.1', keepsFirst: true, days: 30,
  });
  assert.deepEqual(at('fbuy_ref_code=abc'), { code: 'abc', visit: undefined, keepsFirst: false, days: 90 });
});

test('what cannot be a code is none, and odd terms are the usual ones', () => {
  for (const none of ['', 'fbuy_ref_code=', 'fbuy_ref_code=a%20b', `fbuy_ref_code=${'x'.repeat(65)}`, 'fbuy_ref_code=%00']) {
    assert.equal(at(none), undefined, none);
  }
  assert.equal(readLanding('not an address'), undefined);
  for (const [given, days] of [['0', 90], ['-1', 90], ['x', 90], ['1.5', 90], ['5000', 400]]) {
    assert.equal(at(`fbuy_ref_code=a&gw_days=${given}`)?.days, days, String(given));
  }
  assert.equal(at(`fbuy_ref_code=a&gw_visit=${'v'.repeat(2000)}`)?.visit, undefined);
});
