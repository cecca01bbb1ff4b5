// The first five minutes: a caller put on air from the console, from the command line and from a button, each seen in the
// other two.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Server } from '../../tests/browser/server.mjs';
import { BIN, Demo, Host, until } from './rig.mjs';

/** `booth console` on a terminal of tmux. */
class Console {
  #socket = `booth-companion-${process.pid}`;

  constructor(server, token) {
    const env = { BOOTH_SERVER: server.grpc, BOOTH_TOKEN: token, LANG: 'C.UTF-8' };
    const envs = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    this.#tmux('new-session', '-d', '-s', 't', '-x', '100', '-y', '30', ...envs, `'${join(BIN, 'booth')}' console`);
  }

  #tmux(...args) {
    return execFileSync('tmux', ['-L', this.#socket, '-f', '/dev/null', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  keys(...keys) {
    this.#tmux('send-keys', '-t', 't', ...keys);
  }

  shows(words, ms = 20_000) {
    let screen = '';
    return until(() => (screen = this.#tmux('capture-pane', '-p', '-t', 't')).includes(words), () => `«${words}» on\n${screen}`, ms);
  }

  end() {
    this.#tmux('kill-server');
  }
}

/** @type {Server} */ let server;
/** @type {Host} */ let host;
/** @type {Console} */ let console_;
/** @type {Demo} */ let demo;
const slot = async () => (await server.booth('slot', 'get', '1')).slot;
const onAir = () => until(async () => (await slot()).showing === 'SHOWING_CALLER', 'the command line to see them on air');
const idle = () => until(async () => (await slot()).showing === 'SHOWING_IDLE', 'the command line to see slot 1 idle');

before(async () => {
  server = await new Server().start();
  const { token } = await server.booth('operator', 'add', 'desk', '--role', 'operator');
  console_ = new Console(server, token);
  await console_.shows('Nobody waits');
  host = await Host.start({ url: server.grpc, show: 'main', meter_rate: 4 }, token);
  await host.is('ok');
  await host.place('tally', 'slot_on_air', { slot: '1' });
  await host.shows('tally', false);
  demo = new Demo(server, await server.invite(), 1);
  await host.has('queue_waiting', 1, 25_000);
});

after(async () => {
  await host?.end();
  await demo?.stop();
  console_?.end();
  await server?.clear();
});

test('a take from each of the three is seen in the other two', async () => {
  await console_.shows('WAITING');
  console_.keys('a');
  await host.has('queue_ready', 1);

  // From the console, by two keys; taken off by the command line.
  await console_.shows('READY');
  console_.keys('t');
  await console_.shows('TAKE 1 ← caller 1?');
  assert.equal((await slot()).assignedCaller ?? '', '');
  console_.keys('Enter');
  await Promise.all([onAir(), host.shows('tally', true), console_.shows('1 ·  ON AIR')]);
  await host.has('slot_1_caller', 'caller 1');
  await server.booth('slot', 'release', '1', '--requeue');
  await Promise.all([console_.shows('1 ·  idle'), host.shows('tally', false)]);

  // By a button, and off by it.
  await host.press('take_next', { slot: '1' });
  await Promise.all([onAir(), console_.shows('1 ·  ON AIR'), host.shows('tally', true)]);
  await host.press('release', { slot: '1' });
  await Promise.all([idle(), console_.shows('1 ·  idle'), host.shows('tally', false)]);

  // By a line of a script; off by the console.
  const [held] = await server.callers();
  if (held.state !== 'STATE_READY') await server.booth('caller', 'approve', 'caller 1');
  await server.booth('slot', 'take', '1', '--next', '--wait');
  await Promise.all([console_.shows('1 ·  ON AIR'), host.shows('tally', true)]);
  await console_.shows('caller 1');
  console_.keys('1', 'r');
  await console_.shows('RELEASE 1');
  console_.keys('Enter');
  await Promise.all([idle(), host.shows('tally', false)]);
});
