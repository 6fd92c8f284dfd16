// The widget in a real browser: with the keyboard, under a strict policy, in other languages, when things go wrong.

import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';
import { IS_EMPTY, openBrowser, openContext, Recorder, Shop, snippet } from './stage.js';

const SITE = 'site-1';
const GIVEN = {
  referral_code: 'abc', trackable_link: 'https://refer.example/demo/abc', coupon_code: 'SPRING-1', campaign: { id: 1, name: 'Spring' },
};

describe('the widget', { skip: IS_EMPTY && 'its story says enough' }, () => {
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
  before(async () => { browser = await openBrowser(); });
  after(() => browser.close());
  beforeEach(async () => {
    [shop, server, context] = await Promise.all([Shop.open(), Recorder.open(), openContext(browser)]);
    page = await context.newPage();
    Object.assign(server, { status: 200, answer: GIVEN });
    shop.page('/', snippet(server.base, SITE, "window.friendbuy.push(['widget', '53345']);") + '<div class="friendbuy-53345"></div>');
  });
  afterEach(async () => {
    await context.close();
    await Promise.all([shop.close(), server.cut()]);
  });
  const email = () => page.getByRole('textbox', { name: 'Your e-mail address' });
  const link = () => page.getByRole('textbox', { name: 'Your link' });

  test('works with the keyboard alone, and says what happens', async () => {
    await page.goto(shop.url());
    await email().waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.type('ada@example.com');
    await page.keyboard.press('Enter');
    await link().waitFor();
    assert.equal(await page.getByRole('status').textContent(), 'Your link is ready.');
    assert.equal(await link().inputValue(), GIVEN.trackable_link);
    assert.ok(await link().evaluate((field) => /** @type {ShadowRoot} */ (field.getRootNode()).activeElement === field), 'the link has the focus');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor();
    assert.equal(await page.getByRole('textbox', { name: 'Your code' }).inputValue(), 'SPRING-1');
    const [asked] = await server.bodies(1, 'referral_codes');
    assert.deepEqual(asked, { campaign: { id: 53345 }, customer: { email: 'ada@example.com' }, shopper: asked.shopper });
    const [share] = await server.bodies(1, 'shares');
    assert.deepEqual([share.referral_code, share.network, share.email], ['abc', 'copy', 'ada@example.com']);
  });

  test('takes the customer whom the page knows, and asks for the campaign of the account for an id of another kind', async () => {
    shop.page('/', snippet(server.base, SITE, `
      window.friendbuy.push(['track', 'customer', { id: 'C1', email: 'ada@example.com', first_name: 'Ada' }]);
      window.friendbuy.push(['widget', 'cNB-iKV', '#here', { parameters: { from: 'account' } }]);`) + '<p id="here"></p>');
    await page.goto(shop.url());
    await page.getByRole('button', { name: 'Get my link' }).click();
    assert.equal(await link().inputValue(), `${GIVEN.trackable_link}?from=account`);
    const [asked] = await server.bodies(1, 'referral_codes');
    assert.deepEqual([asked.campaign, asked.customer], [undefined, { id: 'C1', email: 'ada@example.com', first_name: 'Ada' }]);
  });

  test('reports a share and tells the page of it', async () => {
    server.answer = { ...GIVEN, coupon_code: null };
    await page.goto(shop.url());
    await page.evaluate(() => Reflect.get(window, 'friendbuy').push(['subscribe', 'share.success', (/** @type {unknown} */ share) => Reflect.set(window, 'share', share)]));
    await email().fill('ada@example.com');
    await page.getByRole('button', { name: 'Get my link' }).click();
    await context.route('https://wa.me/**', (route) => route.fulfill({ body: 'WhatsApp' }));
    const opened = context.waitForEvent('page');
    await page.getByRole('link', { name: 'WhatsApp' }).click();
    const elsewhere = await opened;
    await elsewhere.waitForURL((url) => url.searchParams.get('text')?.includes(GIVEN.trackable_link) === true);
    const [share] = await server.bodies(1, 'shares');
    assert.equal(share.network, 'whatsapp');
    assert.equal(await page.evaluate(() => Reflect.get(window, 'share').network), 'whatsapp');
    assert.equal(await page.getByRole('textbox', { name: 'Your code' }).count(), 0, 'no code, no field for it');
  });

  test('says in the shopper’s words what is wrong, and goes on afterwards', async () => {
    await page.goto(shop.url());
    const send = page.getByRole('button', { name: 'Get my link' });
    const complains = (/** @type {string} */ words) => page.getByRole('alert').filter({ hasText: words }).waitFor();
    for (const wrong of ['', 'ada', 'ada@']) {
      await email().fill(wrong);
      await send.click();
      await complains('Please check the e-mail address.');
    }
    assert.equal(server.told.length, 0, 'what is plainly none is not asked');
    assert.equal(await email().getAttribute('aria-invalid'), 'true');
    await email().fill('ada@example.com');
    for (const [status, words] of /** @type {Array<[number, string]>} */ ([
      [400, 'Please check the e-mail address.'], [404, 'This offer is not available'], [429, 'Please wait a minute'], [503, 'That did not work.'],
    ])) {
      server.status = status;
      await send.click();
      await complains(words);
    }
    await server.cut();
    await send.click();
    await complains('That did not get through.');
    await server.mend();
    server.status = 200;
    await send.click();
    await link().waitFor();
  });

  test('speaks the language of the page around it', async () => {
    for (const [lang, words] of Object.entries({ 'de-AT': 'Link anfordern', fr: 'Obtenir mon lien', es: 'Obtener mi enlace', xx: 'Get my link' })) {
      shop.page('/', snippet(server.base, SITE, "window.friendbuy.push(['widget', '53345']);") + '<div class="friendbuy-53345"></div>', { lang });
      await page.goto(shop.url());
      await page.getByRole('button', { name: words }).waitFor();
    }
  });

  test('appears where a framework draws its place later, and once', async () => {
    shop.page('/', snippet(server.base, SITE, "window.friendbuy.push(['widget', '53345'], ['widget', '53345']);"));
    await page.goto(shop.url(), { waitUntil: 'networkidle' });
    await page.evaluate(() => document.body.insertAdjacentHTML('beforeend', '<div class="friendbuy-53345"></div>'));
    await email().waitFor();
    assert.equal(await page.locator('goodword-widget').count(), 1);
  });

  test('works under a strict policy, dressed, and asks no other host', async () => {
    const policy = `default-src 'none'; script-src 'nonce-n' 'strict-dynamic'; connect-src ${server.base}`;
    const scripts = `<script nonce="n">window.friendbuy = [['site', '${SITE}'], ['widget', '53345']];</script>
      <script nonce="n" async src="${server.base}/js/goodword.js"></script>`;
    shop.page('/', `${scripts}<div class="friendbuy-53345"></div>`, { headers: { 'Content-Security-Policy': policy } });
    /** @type {Set<string>} */
    const hosts = new Set();
    page.on('request', (request) => hosts.add(new URL(request.url()).hostname));
    /** @type {string[]} */
    const complaints = [];
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto(shop.url());
    await email().fill('ada@example.com');
    await page.getByRole('button', { name: 'Get my link' }).click();
    await link().waitFor();
    assert.equal(await page.locator('goodword-widget section').evaluate((box) => getComputedStyle(box).borderRadius), '12px');
    assert.deepEqual([...hosts].sort(), ['refer.example', 'www.shop.example']);
    assert.deepEqual(complaints.filter((text) => !text.includes('favicon')), []);
  });
});
