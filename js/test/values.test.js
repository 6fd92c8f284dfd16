import assert from 'node:assert/strict';
import { test } from 'node:test';
import { amount, customer, flag, order, products, text } from '../src/values.js';

test('texts lose their edges, and what templates print for nothing is nothing', () => {
  for (const [given, expected] of /** @type {Array<[unknown, string | undefined]>} */ ([
    [' Clooney1 ', 'Clooney1'], [281, '281'], [0, '0'], ['0', '0'], [12n, '12'],
    ['', undefined], ['  ', undefined], ['undefined', undefined], ['null', undefined], [NaN, undefined],
    [null, undefined], [undefined, undefined], [true, undefined], [{}, undefined],
    [['', 'Clooney1', 'TEN'], 'Clooney1'], [[], undefined], ['a\0b', 'ab'], ['x'.repeat(300), 'x'.repeat(255)],
  ])) {
    assert.equal(text(given), expected, JSON.stringify(String(given)));
  }
});

test('amounts are read as somebody would read them', () => {
  for (const [given, expected] of /** @type {Array<[unknown, string | number | undefined]>} */ ([
    ['12.50', '12.50'], ['795', '795'], [795, 795], [19.99 * 3, 59.97], [0.1 + 0.2, 0.3],
    ['1,234.50', '1234.50'], ['1.234,50', '1234.50'], ['12,5', '12.5'], ['1,234', '1234'], ['1.234', '1.234'],
    ['1,234,567', '1234567'], ['1.234.567', '1234567'], ["1'234.50", '1234.50'], ['1 234,50', '1234.50'],
    ['$12.50', '12.50'], ['12.50 €', '12.50'], ['1.234,50 EUR', '1234.50'], ['&#36;12.50', '12.50'], ['Rs. 120', '120'],
    ['<span class="price3">&euro;</span>12.50', '12.50'], ['-5.00', '-5.00'], ['.50', '0.50'], ['Rs.120.50', '120.50'], ['12,-', '12'], ['CHF 1’234.–', '1234'],
    ['free', 'free'], ['', undefined], [undefined, undefined], [NaN, undefined], [Infinity, undefined],
  ])) {
    assert.equal(amount(given), expected, String(given));
  }
});

test('a flag is what pages print for yes and no', () => {
  for (const yes of [true, 'true', '1', 1, 'TRUE', 'yes']) assert.equal(flag(yes), true, String(yes));
  for (const no of [false, 'false', '0', 0, 'no']) assert.equal(flag(no), false, String(no));
  for (const neither of ['', undefined, null, 'maybe', {}]) assert.equal(flag(neither), undefined, String(neither));
});

test('an order is kept without the parts that make no sense', () => {
  assert.deepEqual(
    order({ id: 281, amount: '795.00', email: 'guest', coupon_code: '', new_customer: 'true', currency: '$', colour: 'red' }),
    { order: { id: '281', amount: '795.00', new_customer: true }, signature: undefined },
  );
  assert.deepEqual(order('{"id":"A-1","amount":"1.50","currency":"eur","email":"f@example.com"}'), {
    order: { id: 'A-1', amount: '1.50', currency: 'EUR', email: 'f@example.com' }, signature: undefined,
  });
  assert.equal(order({ id: 1, date: new Date(0) })?.order.date, '1970-01-01T00:00:00.000Z');
  assert.equal(order({ id: 1, date: new Date(NaN) })?.order.date, undefined);
  for (const none of [{}, { id: '' }, undefined, null, 'x', 7, [], { amount: 5 }]) assert.equal(order(none), undefined);
});

test('what was signed is sent to the letter', () => {
  const signed = { id: ' 281', amount: '1,234.50', email: ' friend@example.com' };
  assert.deepEqual(order({ ...signed, signature: 'ab12' }), { order: signed, signature: 'ab12' });
});

test('a guest is nobody', () => {
  assert.equal(customer({ id: '', email: '' }), undefined);
  assert.equal(customer({ id: 'x'.repeat(65) }), undefined);
  assert.deepEqual(customer({ id: 7, email: 'a@b.example', first_name: ' Ada ' }), { id: '7', email: 'a@b.example', first_name: 'Ada' });
});

test('products come as a list, a map, one alone, or JSON', () => {
  const row = { sku: 'TEA', price: '4.50', quantity: 2 };
  assert.deepEqual(products({ sku: 'TEA', price: 'free', quantity: 'some' }), [{ sku: 'TEA' }]);
  assert.deepEqual(products({ sku: 'TEA', price: -1.5, quantity: '2.00' }), [{ sku: 'TEA', price: -1.5, quantity: 2 }]);
  for (const given of [[row], { 0: row }, row, JSON.stringify([row]), JSON.stringify(row), [JSON.stringify(row)]]) {
    assert.deepEqual(products(given), [row], JSON.stringify(given));
  }
  for (const none of [undefined, null, '', 'x', 5, [], {}, [null], [{}], [{ sku: '' }]]) assert.deepEqual(products(none), []);
  assert.equal(products(Array(600).fill(row)).length, 500);
});
