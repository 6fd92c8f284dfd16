import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildAll } from '../build.js';

const built = await buildAll();

test('the files in dist are what their sources build', async () => {
  for (const [name, content] of Object.entries(built)) {
    const kept = await readFile(new URL(`../dist/${name}`, import.meta.url), 'utf8');
    assert.ok(kept === content, `dist/${name} is old: run npm run build`);
  }
});

test('a page pays ten kilobytes at most, and the widget twelve more', () => {
  assert.ok(Buffer.byteLength(built['goodword.js'] ?? '') <= 10_000);
  assert.ok(Buffer.byteLength(built['widget.js'] ?? '') <= 12_000);
});

test('nothing in it evaluates text, writes styles into attributes, or names a host besides those a shopper chooses', () => {
  for (const [name, content] of Object.entries(built)) {
    assert.doesNotMatch(content, /\beval\(|new Function|innerHTML|\.style\b|document\.write/, name);
  }
  assert.doesNotMatch(built['goodword.js'] ?? '', /https?:\/\//);
  const hosts = new Set((built['widget.js'] ?? '').match(/https?:\/\/[\w.]+/g));
  assert.deepEqual([...hosts].sort(), ['https://twitter.com', 'https://wa.me', 'https://www.facebook.com']);
});
