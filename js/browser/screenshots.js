// Makes the pictures of docs/: the demo's shop from the widget to the conversion, as the real server serves it.

import { fileURLToPath } from 'node:url';
import { Goodword } from './goodword.js';
import { openBrowser, openContext } from './stage.js';

const [browser, goodword] = await Promise.all([openBrowser(), Goodword.start()]);
try {
  const context = await openContext(browser, { });
  const page = await context.newPage();
  const { shop_url } = goodword.card;
  /** @param {string} name */
  const take = async (name, height = 520) => {
    await page.setViewportSize({ width: 1080, height });
    await page.evaluate(() => {
      // The focus jumps to the link that is given, and selects it.
      const inner = document.activeElement?.shadowRoot?.activeElement;
      if (inner instanceof HTMLInputElement) inner.setSelectionRange(0, 0);
      if (inner instanceof HTMLElement) inner.blur();
    });
    await page.screenshot({ path: fileURLToPath(new URL(`../../docs/${name}.png`, import.meta.url)) });
  };
  await page.goto(`${shop_url}/refer`);
  await page.getByRole('textbox', { name: 'Your e-mail address' }).fill('ada@example.com');
  await page.getByRole('button', { name: 'Get my link' }).click();
  await page.getByRole('textbox', { name: 'Your code' }).waitFor();
  await take('widget');
  await page.getByRole('link', { name: 'Follow the link' }).click();
  await page.getByText('A friend sent you.').waitFor();
  await take('demo-shop', 800);
  await page.getByRole('link', { name: 'Buy' }).first().click();
  await page.getByRole('button', { name: 'Pay' }).click();
  await page.locator('#conversion').filter({ hasText: 'approved' }).waitFor();
  await take('demo-conversion');
} finally {
  await browser.close();
  await goodword.stop();
}
