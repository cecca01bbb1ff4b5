// Companion hosts in processes of their own, and what a test says to them.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';

const HERE = import.meta.dirname;
export const PACKED = resolve(HERE, '../pkg/booth');
export const BIN = resolve(HERE, process.env.BOOTH_BIN_DIR ?? '../../target/debug');
/** The Node that Companion runs modules on. */
export const NODE22 = resolve(HERE, `../node_modules/node-linux-${process.arch}/bin/node`);

const open = new Set();
process.once('exit', () => open.forEach((child) => child.kill('SIGKILL')));

/** Waits for a value, not for a time. @template T @param {() => Promise<T> | T} get @param {string | (() => string)} what @param {number} [ms] @returns {Promise<NonNullable<T>>} */
export async function until(get, what, ms = 12_000) {
  const end = performance.now() + ms;
  for (;;) {
    const got = await get();
    if (got) return got;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain for: ${typeof what === 'string' ? what : what()}`);
    await new Promise((next) => setTimeout(next, 25));
  }
}

/** A control surface's host with the module in it. */
export class Host {
  values = {};
  variables = {};
  actions = {};
  feedbacks = {};
  presets = { structure: [], presets: {} };
  status = {};
  /** Every status since the start. */
  statuses = [];
  logs = [];
  /** Results of placed feedbacks. */
  shown = {};
  #child;
  #calls = new Map();
  #next = 0;

  static async start(config, token) {
    const host = new Host();
    await host.#start();
    if (config) await host.call('init', { config, secrets: { token } });
    return host;
  }

  async #start() {
    if (!existsSync(NODE22)) throw new Error(`no Node 22 at ${NODE22}: npm ci`);
    const script = join(HERE, 'host.mjs');
    const granted = ['--permission', `--allow-fs-read=${PACKED}/`, `--allow-fs-read=${script}`];
    this.#child = spawn(NODE22, [...granted, script, join(PACKED, 'main.js')], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: {} });
    open.add(this.#child);
    let errors = '';
    this.#child.stderr.on('data', (piece) => (errors += piece));
    await new Promise((ready, failed) => {
      this.#child.once('exit', (code) => {
        open.delete(this.#child);
        const error = new Error(`the host ended with ${code}: ${errors}`);
        failed(error);
        for (const { failed: fail } of this.#calls.values()) fail(error);
      });
      this.#child.on('message', (message) => (message.ready ? ready() : this.#hear(message)));
    });
  }

  #hear(message) {
    if ('call' in message) {
      const { done, failed } = this.#calls.get(message.call);
      this.#calls.delete(message.call);
      return 'failed' in message ? failed(new Error(message.failed)) : done(message.result);
    }
    if (message.values) Object.assign(this.values, message.values);
    if (message.feedback) this.shown[message.feedback.id] = message.feedback.error ?? message.feedback.value;
    if (message.log) this.logs.push(message.log);
    if (message.status) this.statuses.push(message.status);
    for (const kept of ['status', 'variables', 'actions', 'feedbacks', 'presets']) if (message[kept]) this[kept] = message[kept];
  }

  call(verb, args) {
    return new Promise((done, failed) => {
      const call = this.#next++;
      this.#calls.set(call, { done, failed });
      this.#child.send({ call, verb, args });
    });
  }

  /** Options as Companion fills them in: the definition's defaults, then what was chosen. */
  #filled(definition, options) {
    const filled = {};
    for (const field of definition?.options ?? []) filled[field.id] = field.default;
    return { ...filled, ...options };
  }

  press(actionId, options = {}) {
    return this.call('press', { actionId, options: this.#filled(this.actions[actionId], options) });
  }

  place(id, feedbackId, options = {}, image = undefined) {
    return this.call('place', { id, feedbackId, options: this.#filled(this.feedbacks[feedbackId], options), image });
  }

  /** Presses, and gives the reason of its refusal. */
  async refused(actionId, options) {
    await this.press(actionId, options);
    await until(() => this.values.last_error_reason, `${actionId} to be refused`, 5_000);
    return this.values.last_error_reason;
  }

  /** Until the module says so. */
  is(status, ms) {
    return until(() => this.status.status === status, () => `status ${status} (is ${JSON.stringify(this.status)})`, ms);
  }

  shows(id, value, ms) {
    return until(() => this.shown[id] === value, () => `feedback ${id} to be ${value} (is ${JSON.stringify(this.shown[id])})`, ms);
  }

  has(variable, value, ms) {
    const fits = typeof value === 'function' ? value : (now) => now === value;
    return until(
      () => variable in this.values && fits(this.values[variable]),
      () => `${variable} = ${value} (is ${JSON.stringify(this.values[variable])}; last error: ${this.values.last_error})`,
      ms,
    );
  }

  async end() {
    if (this.#child.exitCode !== null) return;
    const gone = new Promise((done) => this.#child.once('exit', done));
    await this.call('destroy');
    this.#child.disconnect();
    const code = await gone;
    if (code !== 0) throw new Error(`the host ended with ${code}: the module left something behind`);
  }
}

/** Demo callers over the real door. */
export class Demo {
  #child;

  constructor(server, invite, count, ...more) {
    const args = ['demo', '--url', server.http, '--callers', String(count), '--width', '160', '--height', '90', '--fps', '15', '--loop-seconds', '2', '--video-kbps', '150', '--bind', '127.0.0.1', ...more];
    this.#child = spawn(join(BIN, 'boothd'), args, { stdio: 'ignore', env: { ...process.env, BOOTH_INVITE: invite } });
    open.add(this.#child);
  }

  /** Their network is gone, or here again. */
  pause() {
    this.#child.kill('SIGSTOP');
  }

  resume() {
    this.#child.kill('SIGCONT');
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((done) => this.#child.once('exit', done));
    this.#child.kill('SIGTERM');
    const hard = setTimeout(() => this.#child.kill('SIGKILL'), 4_000);
    await gone;
    clearTimeout(hard);
    open.delete(this.#child);
  }
}

/** What another client hears: the events of `booth watch`, with who did them. */
export class Watcher {
  events = [];
  #child;

  constructor(server, token) {
    const env = { ...process.env, BOOTH_SERVER: server.grpc, BOOTH_TOKEN: token };
    this.#child = spawn(join(BIN, 'booth'), ['watch', '-o', 'ndjson'], { stdio: ['ignore', 'pipe', 'ignore'], env });
    open.add(this.#child);
    let rest = '';
    this.#child.stdout.on('data', (piece) => {
      const lines = (rest + piece).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const { change } = JSON.parse(line);
        for (const event of change?.events ?? []) this.events.push({ actor: change.actor, ...event });
      }
    });
  }

  /** The first event of this kind, after the ones seen before. */
  async heard(type, text = /./) {
    const at = await until(() => {
      const found = this.events.findIndex((event) => event.type === type && text.test(event.text));
      return found + 1;
    }, () => `${type} ${text} among ${JSON.stringify(this.events.slice(-6))}`);
    return this.events.splice(0, at).at(-1);
  }

  stop() {
    this.#child.kill('SIGKILL');
    open.delete(this.#child);
  }
}

/** A network between module and server that can go bad. */
export class Network {
  /** Connections on which what the server says does not arrive any more: all, or those of one method. */
  #frozen = /(?!)/;
  #altered = (piece) => piece;
  #server;
  #sockets = new Set();
  url = '';
  /** Methods, in the order in which they were asked for. */
  requests = [];

  static async to(url) {
    const network = new Network();
    const { port } = new URL(url);
    network.#server = createServer((client) => {
      const server = connect(Number(port), '127.0.0.1');
      network.#sockets.add(client).add(server);
      let method = '';
      client.on('data', (piece) => {
        const asked = /^POST (\S+)/.exec(piece.toString('latin1'))?.[1];
        if (asked) network.requests.push((method = asked));
        server.write(piece);
      });
      server.on('data', (piece) => {
        if (!network.#frozen.test(method)) client.write(network.#altered(piece));
      });
      for (const [a, b] of [[client, server], [server, client]]) {
        a.on('error', () => b.destroy());
        a.on('close', () => b.destroy());
      }
    });
    await new Promise((done) => network.#server.listen(0, '127.0.0.1', done));
    network.url = `http://127.0.0.1:${network.#server.address().port}`;
    return network;
  }

  freeze(methods = /./) {
    this.#frozen = methods;
  }

  /** Lets new connections through; those that were frozen have lost something for ever. */
  thaw() {
    this.#frozen = /(?!)/;
  }

  /** Replaces text of the same length in what the server says. */
  alter(from, to) {
    this.#altered = (piece) => Buffer.from(piece.toString('latin1').replaceAll(from, to), 'latin1');
  }

  close() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
