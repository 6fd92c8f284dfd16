// What the script keeps and sends, seen in a real browser by a server that writes everything down.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';
import { eventually, IS_EMPTY, openBrowser, openContext, Recorder, Shop, snippet } from './stage.js';

const SITE = 'site-8c5e0b4f-www.shop.example';
const CLICK = '?fbuy_ref_code=abc&gw_visit=v.1&utm_source=friendbuy';

describe('the script', { skip: IS_EMPTY && 'its stories say enough' }, () => {
  /** @type {import('playwright-core').Browser} */
  let browser;
  /** @type {Shop} */
  let shop;
  /** @type {Recorder} */
  let server;
  /** @type {import('playwright-core').BrowserContext} */
  let context;
  /** @type {import('playwright-core').Page} */
  let page;
  /** @type {Error[]} */
  let errors;
  before(async () => { browser = await openBrowser(); });
  after(() => browser.close());
  beforeEach(async () => {
    [shop, server, context] = await Promise.all([Shop.open(), Recorder.open(), openContext(browser)]);
    page = await context.newPage();
    errors = [];
    page.on('pageerror', (error) => errors.push(error));
    shop.page('/', snippet(server.base, SITE));
  });
  afterEach(async () => {
    await context.close();
    await Promise.all([shop.close(), server.cut()]);
    assert.deepEqual(errors, [], 'nothing is thrown into the page');
  });

  /** Pushes commands, once the script is there. */
  async function push(/** @type {unknown[][]} */ ...commands) {
    await page.waitForFunction(() => Object.hasOwn(Reflect.get(window, 'friendbuy'), 'push'));
    await page.evaluate((all) => all.forEach((one) => Reflect.get(window, 'friendbuy').push(one)), commands);
  }
  const cookie = async () => (await context.cookies()).find((one) => one.name === 'fbuy_ref');
  const click = async () => JSON.parse(decodeURIComponent((await eventually(cookie, 'a cookie')).value));
  const stored = () => page.evaluate(() => {
    try {
      return Object.keys(localStorage);
    } catch {
      return [];
    }
  });
  const nothingWaits = () => eventually(async () => !(await stored()).includes('gw_outbox'), 'an empty outbox');
  /** Waits until what was pushed before has surely been sent, and gives all orders. */
  async function ordersBefore(/** @type {string} */ last) {
    await push(['consent', true], ['track', 'order', { id: last }]);
    await eventually(() => server.told.some((one) => one.body.order?.id === last), `order ${last}`);
    await nothingWaits();
    return server.told.filter((one) => one.path.endsWith('/orders')).map((one) => one.body);
  }

  test('an order is sent with its products, its customer and the click, whatever came first', async () => {
    shop.page('/thanks', `<script>
      window.friendbuy = [
        ['track', 'products', [{ sku: 'TEA', price: '4.50', quantity: '2' }]],
        ['track', 'order', { id: '281', amount: '9.00', email: 'friend@example.com', coupon_code: 'Clooney1', new_customer: 'true' }],
        ['track', 'customer', { id: 'C1', email: 'friend@example.com', first_name: 'Fay' }],
      ];</script>${snippet(server.base, SITE)}`);
    await page.goto(shop.url(`/${CLICK}`));
    await click();
    await page.goto(shop.url('/thanks'));
    const [body] = await server.bodies(1);
    assert.match(body.shopper, /^[0-9a-f]{32}$/);
    assert.deepEqual(body, {
      order: { id: '281', amount: '9.00', email: 'friend@example.com', new_customer: true, coupon_code: 'Clooney1' },
      customer: { id: 'C1', email: 'friend@example.com', first_name: 'Fay' },
      products: [{ sku: 'TEA', price: '4.50', quantity: 2 }],
      referral_code: 'abc', visit: 'v.1', shopper: body.shopper,
    });
    const [told] = server.told.filter((one) => one.path.endsWith('/orders'));
    assert.equal(told?.path, `/t/${SITE}/orders`);
    assert.match(told?.headers['content-type'] ?? '', /^text\/plain/);
    assert.equal(told?.headers.cookie, undefined);
    assert.deepEqual(await server.bodies(1, 'customers'), [{ customer: body.customer, shopper: body.shopper }]);
    await nothingWaits();
  });

  test('commands work after it has come, and the page is told', async () => {
    await page.goto(shop.url());
    await page.exposeFunction('sent', (/** @type {unknown} */ value) => server.told.push({ path: 'event', body: value, headers: {} }));
    await page.evaluate(() => Reflect.get(window, 'friendbuy').push(['subscribe', 'order.sent', Reflect.get(window, 'sent')]));
    await push(['track', 'order', { id: 7, amount: 12.5 }], ['track', 'products', [{ sku: 'CUP' }]]);
    const [body] = await server.bodies(1);
    assert.deepEqual([body.order, body.products], [{ id: '7', amount: 12.5 }, [{ sku: 'CUP' }]]);
    await eventually(() => server.told.some((one) => one.path === 'event' && one.body.id === '7'), 'order.sent');
  });

  test('an order that is told again is sent once, unless there is more to tell', async () => {
    await page.goto(shop.url());
    await push(['track', 'order', { id: '1' }]);
    await server.bodies(1);
    await push(['track', 'order', { id: '1' }], ['site', SITE]);
    assert.equal((await ordersBefore('2')).length, 2);
    await push(['track', 'products', [{ sku: 'CUP' }]]);
    assert.deepEqual((await server.bodies(3))[2].products, [{ sku: 'CUP' }]);
  });

  test('nothing is sent before the site is known', async () => {
    shop.page('/', snippet(server.base, ''));
    await page.goto(shop.url());
    await push(['track', 'order', { id: '1' }]);
    await push(['site', SITE]);
    assert.equal((await server.bodies(1))[0].order.id, '1');
    assert.deepEqual(server.told.map((one) => one.path), [`/t/${SITE}/orders`]);
  });

  test('the cookie is first-party, holds for all hosts of the shop, and as long as the campaign says', async () => {
    await page.goto(shop.url(`/${CLICK}&gw_days=30`));
    const { at, ...rest } = await click();
    assert.deepEqual(rest, { code: 'abc', visit: 'v.1' });
    assert.ok(Math.abs(Date.now() - at) < 60_000);
    const kept = await cookie();
    assert.deepEqual([kept?.domain, kept?.path, kept?.sameSite], ['.shop.example', '/', 'Lax']);
    assert.ok(Math.abs((kept?.expires ?? 0) - Date.now() / 1000 - 30 * 86_400) < 120);
    await page.goto(shop.url('/', 'checkout.shop.example'));
    await push(['track', 'order', { id: '1' }]);
    assert.equal((await server.bodies(1))[0].referral_code, 'abc');
  });

  test('the newest click counts, unless the link says that the first does', async () => {
    await page.goto(shop.url(`/${CLICK}`));
    await click();
    await page.goto(shop.url('/?fbuy_ref_code=second&gw_visit=v.2&gw_keep=first'));
    await push();
    assert.equal((await click()).code, 'abc');
    await page.goto(shop.url('/?fbuy_ref_code=third&gw_visit=v.3'));
    await push();
    assert.equal((await click()).code, 'third');
  });

  test('a click survives a router that tidies the address before the script has come', async () => {
    shop.page('/', `<script>history.replaceState(null, '', '/home')</script>${snippet(server.base, SITE)}`);
    await page.goto(shop.url(`/${CLICK}`));
    assert.equal((await click()).code, 'abc');
    assert.equal(new URL(page.url()).search, '');
  });

  test('without consent nothing is kept and nothing is sent, and with it all that waited', async () => {
    shop.page('/', snippet(server.base, SITE, "window.friendbuy.push(['consent', false]);"));
    await page.goto(shop.url(`/${CLICK}`));
    await push(['track', 'customer', { id: 'C1' }], ['track', 'order', { id: '1' }]);
    // As long as it would take to send it.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 600)));
    assert.deepEqual([await context.cookies(), await stored(), server.told], [[], [], []]);
    await push(['consent', true]);
    assert.equal((await server.bodies(1))[0].visit, 'v.1');
    assert.equal((await click()).code, 'abc');
    await push(['consent', false]);
    assert.deepEqual([await context.cookies(), await stored()], [[], []]);
  });

  test('a page that withholds consent until it is asked, each time anew, loses no click', async () => {
    await page.goto(shop.url(`/${CLICK}`));
    await click();
    shop.page('/', snippet(server.base, SITE, "window.friendbuy.push(['consent', false]);"));
    await page.goto(shop.url());
    await push(['track', 'order', { id: '1' }]);
    await push(['consent', true]);
    assert.equal((await server.bodies(1))[0].referral_code, 'abc');
  });

  for (const [what, prepare] of /** @type {Array<[string, () => Promise<unknown>]>} */ ([
    ['a browser with Global Privacy Control', () => context.addInitScript(() =>
      Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }))],
    ['a tag that requires consent', async () => shop.page('/', `<script>window.friendbuy = [['site', '${SITE}']]</script>
      <script async data-consent="required" src="${server.base}/js/goodword.js"></script>`)],
  ])) {
    test(`${what} means no until the page says yes`, async () => {
      await prepare();
      await page.goto(shop.url(`/${CLICK}`));
      await push(['track', 'order', { id: '1' }]);
      assert.deepEqual([await context.cookies(), await stored()], [[], []]);
      assert.deepEqual((await ordersBefore('2')).map((one) => one.order.id), ['2', '1']);
    });
  }

  test('who opted out is left alone on every page, until he opts in', async () => {
    await page.goto(shop.url());
    await push(['opt_out']);
    await page.goto(shop.url(`/${CLICK}`));
    await push(['consent', true], ['track', 'order', { id: '1' }]);
    assert.deepEqual((await context.cookies()).map((one) => one.name), ['gw_opt_out']);
    assert.deepEqual(await stored(), []);
    await push(['opt_out', false]);
    assert.deepEqual((await ordersBefore('2')).map((one) => one.order.id), ['2', '1']);
  });

  test('what the network lost goes out on the next page', async () => {
    await page.goto(shop.url());
    await push();
    await server.cut();
    const failed = page.waitForEvent('requestfailed');
    await push(['track', 'order', { id: '1', amount: '5.00' }]);
    await failed;
    await server.mend();
    await page.goto(shop.url());
    assert.deepEqual((await server.bodies(1))[0].order, { id: '1', amount: '5.00' });
    await nothingWaits();
  });

  test('an order that the server could not store is kept, one that it refused is told bare, then no more', async () => {
    await page.goto(shop.url());
    server.status = 503;
    await push(['track', 'order', { id: '1', amount: '5.00', coupon_code: 'TEN', email: 'odd@example..com' }], ['track', 'products', [{ sku: 'TEA' }]]);
    await server.bodies(1);
    server.status = 400;
    await page.goto(shop.url());
    const bare = await eventually(() => server.told.find((one) => one.body.order?.email === undefined)?.body, 'a bare order');
    const [whole] = await server.bodies(2);
    assert.deepEqual([whole.order.email, whole.products], ['odd@example..com', [{ sku: 'TEA' }]]);
    assert.deepEqual(bare, { order: { id: '1', amount: '5.00', coupon_code: 'TEN' }, shopper: whole.shopper });
    await nothingWaits();
  });

  test('no more than twenty orders wait, the newest', async () => {
    await page.goto(shop.url());
    await push();
    await server.cut();
    await push(...Array.from({ length: 25 }, (_, index) => ['track', 'order', { id: `o${index}` }]));
    const ids = await page.evaluate(() => JSON.parse(localStorage.getItem('gw_outbox') ?? '[]').map((/** @type {any} */ one) => JSON.parse(one.body).order.id));
    assert.deepEqual([ids.length, ids[0], ids[19]], [20, 'o5', 'o24']);
    await server.mend();
  });

  test('leaving the page at once loses no order', async () => {
    shop.page('/pay', `${snippet(server.base, SITE)}<a href="/bye">Bye</a>`);
    shop.page('/bye', 'Bye');
    await page.goto(shop.url('/pay'));
    await push();
    await page.evaluate(() => {
      Reflect.get(window, 'friendbuy').push(['track', 'order', { id: '1' }]);
      document.querySelector('a')?.click();
    });
    assert.equal((await server.bodies(1))[0].order.id, '1');
    await page.waitForURL('**/bye');
  });

  test('an order that is too large is sent without its products', async () => {
    await page.goto(shop.url());
    const products = Array.from({ length: 500 }, (_, index) => ({ sku: `SKU-${index}`, name: '茶'.repeat(60), price: '1.00' }));
    await push(['track', 'products', products], ['track', 'order', { id: '1', amount: '500.00' }]);
    const [body] = await server.bodies(1);
    assert.deepEqual([body.order.id, body.products], ['1', undefined]);
  });

  test('a browser that keeps nothing still sends', async () => {
    await context.addInitScript(() => {
      Object.defineProperty(window, 'localStorage', { get: () => { throw new Error('no'); } });
      Object.defineProperty(document, 'cookie', { get: () => '', set: () => undefined });
    });
    await page.goto(shop.url(`/${CLICK}`));
    await push(['track', 'order', { id: '1' }]);
    assert.equal((await server.bodies(1))[0].referral_code, 'abc');
    assert.deepEqual((await ordersBefore('2')).map((one) => one.order.id), ['1', '2']);
  });

  test('odd commands harm nobody', async () => {
    await page.goto(shop.url());
    await push();
    await page.evaluate(() => {
      const queue = Reflect.get(window, 'friendbuy');
      const odd = [undefined, null, 'track', 7, [], ['track'], ['track', 'order'], ['track', 'order', null], ['track', 'order', {}],
        ['track', 'products', 'x'], ['track', 'customer', []], ['widget'], ['widget', 'a b', '###'], ['widget', null, {}, {}],
        ['subscribe'], ['subscribe', 'x', 1], ['site', {}], ['widget.ready'], ['nothing', {}]];
      for (const one of odd) queue.push(one);
      queue.push(['subscribe', 'order.sent', () => undefined], ['track', 'order', { id: 'good' }]);
    });
    assert.equal((await server.bodies(1))[0].order.id, 'good');
  });

  test('two tags send one order', async () => {
    shop.page('/', snippet(server.base, SITE) + snippet(server.base, SITE, "window.friendbuy.push(['track', 'order', { id: '1' }]);"));
    await page.goto(shop.url(), { waitUntil: 'networkidle' });
    assert.deepEqual((await ordersBefore('2')).map((one) => one.order.id).filter((id) => id === '1'), ['1']);
  });
});
