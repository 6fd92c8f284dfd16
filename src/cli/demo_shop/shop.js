// What a shop's pages do: they push commands, and load the script. The basket lives in the browser; nothing is sold.

const { goodword, site, campaign } = document.documentElement.dataset;
const TEAS = {
  DARJEELING: { name: 'First Flush Darjeeling', price: 14.5 },
  LAPSANG: { name: 'Lapsang Souchong', price: 12 },
  VERBENA: { name: 'Mint & Verbena', price: 9.5 },
};
const part = (id) => document.getElementById(id);
const dollars = (amount) => `$${amount.toFixed(2)}`;

window.friendbuy = window.friendbuy || [];
window.friendbuy.push(['site', site]);
if (location.pathname === '/refer') showWidget();
if (location.pathname === '/checkout') showCheckout();
if (location.pathname === '/thanks') showThanks();

const script = document.createElement('script');
script.async = true;
script.src = `${goodword}/js/friendbuy.min.js`;
script.addEventListener('load', () => {
  part('referred').hidden = !document.cookie.includes('fbuy_ref=');
});
document.head.append(script);

function showWidget() {
  window.friendbuy.push(['widget', campaign]);
  window.friendbuy.push(['subscribe', 'link.created', ({ trackable_link }) => {
    part('link').href = trackable_link;
    part('follow').hidden = false;
  }]);
}

function showCheckout() {
  const sku = new URLSearchParams(location.search).get('sku') in TEAS ? new URLSearchParams(location.search).get('sku') : 'DARJEELING';
  const { name, price } = TEAS[sku];
  const coupon = () => part('coupon').value.trim();
  // A real shop knows its coupons; this one gives every code a tenth.
  const total = () => (coupon() ? price * 0.9 : price);
  const show = () => {
    part('tea').textContent = name;
    part('price').textContent = dollars(price);
    part('discount-row').hidden = !coupon();
    part('discount').textContent = `−${dollars(price - total())}`;
    part('total').textContent = dollars(total());
  };
  part('coupon').addEventListener('input', show);
  show();
  part('pay').addEventListener('submit', (event) => {
    event.preventDefault();
    const id = `T-${Date.now().toString(36).toUpperCase()}`;
    const order = { id, amount: total().toFixed(2), email: part('email').value, coupon_code: coupon(), currency: 'USD' };
    const products = [{ sku, name, price: price.toFixed(2), quantity: '1' }];
    sessionStorage.setItem('order', JSON.stringify({ order, products }));
    location.assign('/thanks');
  });
}

function showThanks() {
  const { order, products } = JSON.parse(sessionStorage.getItem('order') ?? '{}');
  if (!order) {
    location.replace('/');
    return;
  }
  window.friendbuy.push(['track', 'order', order]);
  window.friendbuy.push(['track', 'products', products]);
  part('order').textContent = order.id;
  part('total').textContent = dollars(Number(order.amount));
  void watch(order.id);
}

/** Asks the shop's own server what Goodword knows of the order, until a conversion is settled. */
async function watch(id) {
  for (let tries = 0; tries < 120; tries += 1) {
    const answer = await fetch(`/insight?order=${encodeURIComponent(id)}`);
    if (answer.ok && showInsight(await answer.json())) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function showInsight({ advocate, via, campaign: title, conversion, reward, reason }) {
  part('waiting').hidden = true;
  part('insight').hidden = false;
  part('advocate').textContent = advocate ?? 'nobody';
  part('via').textContent = { coupon_code: 'the coupon code', referral_code: 'the link', visit: 'the link' }[via] ?? via ?? reason?.replaceAll('_', ' ') ?? '';
  part('campaign').textContent = title ?? '–';
  const status = document.createElement('span');
  status.className = `status ${conversion ?? ''}`;
  status.textContent = conversion ?? 'none';
  part('conversion').replaceChildren(status);
  part('reward').textContent = reward ?? '–';
  return conversion !== 'pending';
}
