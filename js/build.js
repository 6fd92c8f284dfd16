// Builds dist/ from src/: the same bytes from the same sources, whoever builds. `--check` compares instead of writing.

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const BANNER = '/*! Goodword, Apache-2.0 */';

/**
 * @param {string} entry
 * @param {Record<string, string>} define
 */
async function bundle(entry, define = {}) {
  const built = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'iife',
    // The browsers of 2021 on.
    target: ['chrome91', 'firefox90', 'safari15'],
    charset: 'utf8',
    loader: { '.css': 'text' },
    legalComments: 'none',
    banner: { js: BANNER },
    define,
    write: false,
  });
  return built.outputFiles[0]?.text ?? '';
}

/** @returns {Promise<Record<string, string>>} contents by the name of the file */
export async function buildAll() {
  const widget = await bundle('src/widget/widget.js');
  const version = createHash('sha256').update(widget).digest('hex').slice(0, 8);
  const tracker = await bundle('src/goodword.js', { 'globalThis.WIDGET_VERSION': JSON.stringify(version) });
  return { 'goodword.js': tracker, 'widget.js': widget };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, content] of Object.entries(await buildAll())) {
    const file = new URL(`dist/${name}`, import.meta.url);
    const isCheck = process.argv.includes('--check');
    if (!isCheck) await writeFile(file, content);
    else if ((await readFile(file, 'utf8').catch(() => '')) !== content) {
      console.error(`${name} is not what its sources build: run npm run build`);
      process.exitCode = 1;
    }
    console.log(`${name}: ${Buffer.byteLength(content)} bytes`);
  }
}
