// Stories of real pages, in a real browser, with the real server. With EMPTY_SCRIPT=1 the script is an empty file, and each
// of them must fail: what would pass without the script proves nothing about it.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Goodword } from './goodword.js';
import { eventually, IS_EMPTY, openBrowser, openContext, Shop, snippet } from './stage.js';

const SITE = 'site-8c5e0b4f-www.shop.example';
const BANK = 9900;

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Goodword} */
let goodword;
/** @type {Shop} */
let shop;

// The network that is cut is everybody's; without the script nobody's story gets that far.
describe('stories', { concurrency: IS_EMPTY ? 4 : 1 }, () => {
  before(async () => {
    [browser, goodword, shop] = await Promise.all([openBrowser(), Goodword.start(), Shop.open()]);
    await goodword.openAccount(SITE, [shop.origin]);
    await goodword.did('POST', 'coupon_banks', { id: BANK, name: 'Codes' });
    await goodword.did('POST', `coupon_banks/${BANK}/coupons`, ['Spring-1', 'Spring-2', 'Spring-3']);
    for (const path of ['/', '/tea', '/basket']) shop.page(path, snippet(goodword.base, SITE));
  });
  after(async () => {
    await browser?.close();
    await Promise.all([goodword?.stop(), shop?.close()]);
  });

  let campaigns = 1000;
  /** A campaign whose links lead to the shop. */
  async function campaign(settings = {}) {
    const id = (campaigns += 1);
    await goodword.did('POST', 'campaigns', { id, name: `Campaign ${id}`, destination_url: shop.url('/'), rules: { self_referral: 'allow' } });
    await goodword.did('PUT', `campaigns/${id}/links`, settings);
    return id;
  }
  /** An advocate with his code and link, and a coupon if a bank is named. */
  const advocate = (/** @type {number} */ campaign_id, /** @type {string} */ email, /** @type {number | undefined} */ bank = undefined) =>
    goodword.did('POST', 'referral_codes', { campaign: { id: campaign_id }, customer: { email }, ...(bank ? { coupon_bank_id: bank } : {}) });

  /**
   * A story with a browser of its own, which knows nothing yet. Without the script it has to fail.
   * @param {string} name
   * @param {(page: import('playwright-core').Page, context: import('playwright-core').BrowserContext) => Promise<void>} tell
   */
  function story(name, tell) {
    test(IS_EMPTY ? `without the script this fails: ${name}` : name, async () => {
      const context = await openContext(browser);
      try {
        const telling = tell(await context.newPage(), context);
        if (IS_EMPTY) await assert.rejects(telling, /did not come|Timeout|strictly (deep-)?equal/);
        else await telling;
      } finally {
        await context.close();
      }
    });
  }
  const by = (/** @type {any} */ order) => [order.attribution?.advocate.email, order.attribution?.via, order.attribution?.campaign.id];
  /** Pushes commands as a page does, whether the script has come yet or not. */
  const push = (/** @type {import('playwright-core').Page} */ page, /** @type {unknown[][]} */ ...commands) =>
    page.evaluate((all) => all.forEach((one) => Reflect.get(window, 'friendbuy').push(one)), commands);

  story('the thank-you page of a shop whose plugin prints everything as text', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'ada@example.com');
    shop.page('/order-received', `${snippet(goodword.base, SITE, `
        window['friendbuy'].push(['track', 'customer', { id: '17', email: 'friend@example.com' }]);`)}
      <h1>Thank you</h1>
      <script>
        window['friendbuy'] = window['friendbuy'] || [];
        window['friendbuy'].push(['track', 'order',
          { id: 'W-281', amount: '49.90', email: 'friend@example.com', coupon_code: '', new_customer: 'true' }]);
        window['friendbuy'].push(['track', 'products', [
          { sku: 'TEA-1', price: '19.95', quantity: '2' }, { sku: '', price: '10.00', quantity: '1' }]]);
      </script>`);
    await page.goto(trackable_link);
    await page.goto(shop.url('/order-received'));
    const order = await goodword.order('W-281');
    assert.deepEqual(by(order), ['ada@example.com', 'visit', id]);
    assert.deepEqual([order.total, order.email, order.new_customer, order.customer.account_id], [49.9, 'friend@example.com', true, '17']);
    assert.deepEqual(order.products.map((/** @type {any} */ one) => [one.sku, one.price, one.quantity]), [['TEA-1', 19.95, 2], [null, 10, 1]]);
  });

  story('a shop of a single page, whose router tidies addresses, sells twice', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'bea@example.com');
    await page.goto(trackable_link);
    await page.evaluate(() => history.replaceState(null, '', '/'));
    for (const [order, amount] of /** @type {Array<[string, number]>} */ ([['S-1', 19.99 * 3], ['S-2', 5]])) {
      await page.evaluate((path) => history.pushState(null, '', path), `/done/${order}`);
      await push(page, ['track', 'products', [{ sku: order, price: 1, quantity: 1 }]], ['track', 'order', { id: order, amount, email: 'friend@example.com' }]);
    }
    const [first, second] = [await goodword.order('S-1'), await goodword.order('S-2')];
    assert.deepEqual([by(first), by(second)], [['bea@example.com', 'visit', id], ['bea@example.com', 'visit', id]]);
    assert.deepEqual([first.total, first.products[0].sku, second.total, second.products[0].sku], [59.97, 'S-1', 5, 'S-2']);
  });

  story('a coupon alone, typed on another device than the one that followed the link', async (page) => {
    const id = await campaign();
    const { coupon_code } = await advocate(id, 'cyd@example.com', BANK);
    await page.goto(shop.url('/tea'));
    await push(page, ['track', 'order', { id: 'C-1', amount: '12.00', email: 'friend@example.com', coupon_code: ` ${coupon_code.toLowerCase()} ` }]);
    assert.deepEqual(by(await goodword.order('C-1')), ['cyd@example.com', 'coupon_code', id]);
  });

  story('a link, three pages, an order', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'dan@example.com');
    await page.goto(trackable_link);
    for (const path of ['/tea', '/basket', '/']) await page.goto(shop.url(path));
    await push(page, ['track', 'order', { id: 'L-1', amount: '12.00', email: 'friend@example.com' }]);
    assert.deepEqual(by(await goodword.order('L-1')), ['dan@example.com', 'visit', id]);
  });

  for (const [keeps, who] of /** @type {Array<[boolean, string]>} */ ([[false, 'the newest'], [true, 'the first']])) {
    story(`two links, of which ${who} counts, as the campaign says`, async (page) => {
      const id = await campaign({ keep: keeps ? 'first' : 'newest' });
      const [eva, fay] = [await advocate(id, 'eva@example.com'), await advocate(id, 'fay@example.com')];
      await page.goto(eva.trackable_link);
      await page.waitForLoadState('networkidle');
      await page.goto(fay.trackable_link);
      await push(page, ['track', 'order', { id: `F-${keeps}`, amount: '12.00', email: 'friend@example.com' }]);
      assert.deepEqual(by(await goodword.order(`F-${keeps}`)), [keeps ? 'eva@example.com' : 'fay@example.com', 'visit', id]);
    });
  }

  story('consent withheld, then given', async (page, context) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'gus@example.com');
    await context.addInitScript(() => { Reflect.set(window, 'friendbuy', [['consent', false]]); });
    await page.goto(trackable_link);
    await push(page, ['track', 'order', { id: 'G-1', amount: '12.00', email: 'friend@example.com' }]);
    await page.waitForLoadState('networkidle');
    assert.deepEqual([await context.cookies(), (await goodword.call('GET', 'purchases/G-1')).status], [[], 404]);
    await push(page, ['consent', true]);
    assert.deepEqual(by(await goodword.order('G-1')), ['gus@example.com', 'visit', id]);
  });

  story('a network that fails on the thank-you page', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'kim@example.com');
    await page.goto(trackable_link);
    await page.waitForLoadState('networkidle');
    const failed = page.waitForEvent('requestfailed');
    if (!IS_EMPTY) goodword.cut();
    try {
      await push(page, ['track', 'order', { id: 'K-1', amount: '12.00', email: 'friend@example.com' }]);
      await failed;
    } finally {
      goodword.mend();
    }
    assert.equal((await goodword.call('GET', 'purchases/K-1')).status, 404);
    await page.goto(shop.url('/tea'));
    assert.deepEqual(by(await goodword.order('K-1')), ['kim@example.com', 'visit', id]);
  });

  story('a page that the shop’s server has signed', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'lou@example.com');
    const secret = await goodword.makeSigningSecret();
    const order = { id: 'Y-1', amount: '12.00', email: 'friend@example.com' };
    const signature = createHmac('sha256', secret).update(`${order.id}|${order.amount}|${order.email}`).digest('hex');
    await page.goto(trackable_link);
    await push(page, ['track', 'order', { ...order, signature }], ['track', 'order', { id: 'Y-2', amount: '12.00', signature }]);
    const [signed, copied] = [await goodword.order('Y-1'), await goodword.order('Y-2')];
    assert.deepEqual([by(signed), signed.verified, copied.verified], [['lou@example.com', 'visit', id], true, false]);
  });

  story('an order with details that the server refuses', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'mia@example.com');
    await page.goto(trackable_link);
    await push(page, ['track', 'order', { id: 'M-1', amount: '$1,012.00', email: 'friend@example..com', date: 'yesterday' }]);
    const order = await goodword.order('M-1');
    assert.deepEqual([by(order), order.total, order.email], [['mia@example.com', 'visit', id], 1012, null]);
  });

  story('the shop’s server says the same of the order afterwards', async (page) => {
    const id = await campaign();
    const { trackable_link } = await advocate(id, 'hal@example.com');
    await page.goto(trackable_link);
    await push(page, ['track', 'order', { id: 'H-1', amount: '12.00', email: 'friend@example.com' }]);
    assert.deepEqual(by(await goodword.order('H-1')), ['hal@example.com', 'visit', id]);
    const told = await goodword.did('POST', 'purchases', { order: { id: 'H-1', amount: '11.00', email: 'friend@example.com' } });
    assert.deepEqual([by(told), told.total], [['hal@example.com', 'visit', id], 11]);
  });

  story('from the widget by a copied code to the one who is thanked, in the demo’s shop', async (page, context) => {
    const { shop_url } = goodword.card;
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: shop_url });
    await page.goto(`${shop_url}/refer`);
    await page.getByRole('textbox', { name: 'Your e-mail address' }).fill('ida@example.com');
    await page.getByRole('button', { name: 'Get my link' }).click();
    const code = await page.getByRole('textbox', { name: 'Your code' }).inputValue();
    await page.getByRole('button', { name: 'Copy code' }).click();
    await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor();
    const share = await eventually(async () => (await goodword.call('GET', 'shares', undefined, goodword.card)).body.results[0], 'a share');
    assert.equal(share.message.network, 'copy');
    await page.goto(`${shop_url}/checkout?sku=LAPSANG`);
    await page.getByRole('textbox', { name: 'Coupon code' }).focus();
    await page.keyboard.press('Control+V');
    assert.equal(await page.getByRole('textbox', { name: 'Coupon code' }).inputValue(), code);
    await page.getByRole('button', { name: 'Pay' }).click();
    await page.locator('#advocate').filter({ hasText: 'ida@example.com' }).waitFor();
    await page.locator('#via').filter({ hasText: 'the coupon code' }).waitFor();
    await page.locator('#conversion').filter({ hasText: 'approved' }).waitFor();
    await page.locator('#reward').filter({ hasText: '1.08 USD' }).waitFor();
  });

  story('the demo’s shop, by the link', async (page) => {
    const { shop_url } = goodword.card;
    await page.goto(`${shop_url}/refer`);
    await page.getByRole('textbox', { name: 'Your e-mail address' }).fill('jon@example.com');
    await page.getByRole('button', { name: 'Get my link' }).click();
    await page.getByRole('link', { name: 'Follow the link' }).click();
    await page.getByText('A friend sent you.').waitFor();
    await page.getByRole('link', { name: 'Buy' }).first().click();
    await page.getByRole('button', { name: 'Pay' }).click();
    await page.locator('#advocate').filter({ hasText: 'jon@example.com' }).waitFor();
    await page.locator('#via').filter({ hasText: 'the link' }).waitFor();
  });
});
