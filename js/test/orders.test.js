import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Orders } from '../src/orders.js';

const tea = [{ sku: 'TEA' }];
const cup = [{ sku: 'CUP' }];

/** Runs `o:1` (an order with that id), `p:tea`, and `take`, and tells what the last take gave. */
function told(/** @type {string} */ script) {
  const orders = new Orders();
  for (const step of script.split(' ')) {
    const [kind, what] = step.split(':');
    if (kind === 'o') orders.addOrder({ id: what });
    if (kind === 'p') orders.addProducts(what === 'tea' ? tea : cup);
    if (kind === 'take') orders.take();
  }
  return orders.take().map(({ order, products }) => [order.id, ...products.map((one) => one.sku)].join(' '));
}

test('products belong to the order that they came before or after', () => {
  assert.deepEqual(told('o:1 p:tea'), ['1 TEA']);
  assert.deepEqual(told('p:tea o:1'), ['1 TEA']);
  assert.deepEqual(told('o:1 p:tea o:2 p:cup'), ['1 TEA', '2 CUP']);
  assert.deepEqual(told('p:tea o:1 p:cup o:2'), ['1 TEA', '2 CUP']);
  assert.deepEqual(told('o:1 take p:tea'), ['1 TEA'], 'products that come late are told with their order');
});

test('what is pushed again is told once', () => {
  assert.deepEqual(told('o:1 p:tea o:1 p:tea'), ['1 TEA']);
  assert.deepEqual(told('o:1 p:tea p:tea o:2'), ['1 TEA', '2']);
  assert.deepEqual(told('o:1 p:tea take p:tea'), []);
  assert.deepEqual(told('p:tea'), []);
});
