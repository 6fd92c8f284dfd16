// The real server: `goodword demo` in a directory of its own, reached through a line that can be cut.

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, chmod, readFile, rm } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from './stage.js';

const PROGRAM = process.env.GOODWORD ?? fileURLToPath(new URL('../../target/debug/goodword', import.meta.url));
const START_MS_MAX = 60_000;

export class Goodword {
  #process;
  #directory;
  #line;
  /** @type {{ access_key: string, secret_key: string }} */
  #keys;
  /** @type {{ url: string, shop_url: string, access_key: string, secret_key: string }} */
  card;

  /**
   * @param {import('node:child_process').ChildProcess} process
   * @param {string} directory
   * @param {Line} line
   * @param {Goodword['card']} card
   */
  constructor(process, directory, line, card) {
    this.#process = process;
    this.#directory = directory;
    this.#line = line;
    this.card = card;
    this.#keys = card;
  }

  static async start() {
    const directory = await mkdtemp(join(tmpdir(), 'goodword-browser-'));
    // The private PostgreSQL runs as somebody else if this is root.
    await chmod(directory, 0o755);
    const line = await Line.open();
    /** @type {NodeJS.ProcessEnv} */
    const env = { ...process.env, GOODWORD_DATA_DIR: join(directory, 'data') };
    delete env.DATABASE_URL;
    const args = ['demo', '--listen', '127.0.0.1:0', '--public-url', line.url];
    const child = spawn(PROGRAM, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (text) => { printed += text; });
    await new Promise((resolve, reject) => {
      child.on('exit', (code) => reject(new Error(`${PROGRAM} ended with ${code}`)));
      child.stdout.on('data', () => printed.includes('Ctrl-C') && resolve(undefined));
      setTimeout(reject, START_MS_MAX, new Error('the server does not start')).unref();
    });
    const card = JSON.parse(await readFile(join(directory, 'data', 'demo.json'), 'utf8'));
    line.port = Number(new URL(card.url).port);
    return new Goodword(child, directory, line, card);
  }

  /** Where browsers reach it. */
  get base() {
    return this.#line.url;
  }

  /**
   * Opens a merchant's account, named as his pages name it, which may call from these origins.
   * @param {string} site
   * @param {string[]} origins
   */
  async openAccount(site, origins) {
    await this.#run('account', 'create', '--name', 'Shop', '--alias', 'shop');
    await this.#run('account', 'set', 'shop', '--site-key', site, ...origins.flatMap((origin) => ['--origin', origin]));
    this.#keys = JSON.parse((await this.#run('key', 'create', '--account', 'shop', '--json')).stdout);
  }

  /** @param {string[]} args */
  async #run(...args) {
    const env = { ...process.env, GOODWORD_DATA_DIR: join(this.#directory, 'data') };
    return promisify(execFile)(PROGRAM, args, { env });
  }

  /** A secret with which the shop's server signs what its pages report. */
  async makeSigningSecret() {
    const { stderr } = await this.#run('account', 'set', 'shop', '--new-signing-secret');
    return stderr.trim().split(' ').at(-1) ?? '';
  }

  cut() {
    this.#line.cut();
  }

  mend() {
    this.#line.mend();
  }

  /**
   * Calls the API as the shop's server would.
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   * @param {{ access_key: string, secret_key: string }} keys
   */
  async call(method, path, body = undefined, { access_key, secret_key } = this.#keys) {
    const answer = await fetch(`${this.card.url}/v1/${path}`, {
      method,
      headers: {
        Authorization: `Basic ${Buffer.from(`${access_key}:${secret_key}`).toString('base64')}`,
        'Content-Type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   */
  async did(method, path, body) {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  }

  /**
   * Waits until an order has come, and gives it.
   * @param {string} id
   */
  async order(id) {
    return eventually(async () => {
      const { status, body } = await this.call('GET', `purchases/${id}`);
      return status === 200 && body;
    }, `order ${id}`);
  }

  async stop() {
    const ended = new Promise((resolve) => this.#process.on('exit', resolve));
    this.#process.kill('SIGINT');
    await ended;
    this.#line.cut();
    await rm(this.#directory, { recursive: true });
  }
}

/** A line to a port of this machine. Cut, it takes no connection and drops those it has. */
class Line {
  port = 0;
  #isCut = false;
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();
  #server;

  constructor() {
    this.#server = createServer((near) => {
      if (this.#isCut) {
        near.destroy();
        return;
      }
      const far = connect(this.port, '127.0.0.1');
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    this.#server.unref();
  }

  static async open() {
    const line = new Line();
    await new Promise((resolve) => line.#server.listen(0, '127.0.0.1', () => resolve(undefined)));
    return line;
  }

  get url() {
    return `http://refer.example:${/** @type {import('node:net').AddressInfo} */ (this.#server.address()).port}`;
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#isCut = false;
  }
}
