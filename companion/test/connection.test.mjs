// The connection: signing in, losing the server in every way there is, and coming back with a true picture.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Server } from '../../tests/browser/server.mjs';
import { Host, Network, until } from './rig.mjs';

/** @type {Server} */ let server;
let token = '';

before(async () => {
  server = await new Server().start();
  ({ token } = await server.booth('operator', 'add', 'desk', '--role', 'operator'));
});

after(() => server?.clear());

const config = (url) => ({ url, show: 'main', meter_rate: 4 });

/** Runs with a host that is ended whatever happens. */
async function using(url, secret, body) {
  const host = await Host.start(config(url), secret);
  try {
    await body(host);
  } finally {
    await host.end();
  }
}

test('a wrong token is an authentication failure, and the right one heals it', () =>
  using(server.grpc, 'wrong', async (host) => {
    await host.is('authentication_failure');
    assert.match(host.status.message, /token is not valid/);
    assert.equal(await host.refused('take_next', { slot: '1' }), 'NOT_CONNECTED');
    assert(!JSON.stringify(host.logs).includes('wrong'), 'a token is never logged');
    await host.call('configure', { config: config(server.grpc), secrets: { token } });
    await host.is('ok');
    await host.has('operator', 'desk');
    await host.has('slot_2_state', 'IDLE');
  }));

test('a token without the right sees everything and is told what it may not do', async () => {
  const viewer = await server.booth('operator', 'add', 'wall', '--role', 'viewer');
  const screener = await server.booth('operator', 'add', 'phones', '--role', 'screener');
  await using(server.grpc, viewer.token, async (host) => {
    await host.is('ok');
    await host.has('role', 'VIEWER');
    assert.equal(await host.refused('release', { slot: '1' }), 'ROLE_TOO_LOW');
    assert.match(host.values.last_error, /OPERATOR/i);
    assert.match(host.values.last_error, /VIEWER/i);
    await server.booth('operator', 'revoke', 'wall');
    await host.is('authentication_failure');
  });
  await using(server.grpc, screener.token, async (host) => {
    await host.is('ok');
    assert.equal(await host.refused('release', { slot: '1' }), 'ROLE_TOO_LOW');
    assert.equal(await host.refused('screen', { who: 'waiting' }), 'NOBODY_THERE');
  });
});

test('nobody there: a connection failure, asked for again ever more seldom', async () => {
  const network = await Network.to(server.grpc);
  const { url } = network;
  network.close();
  await using(url, token, async (host) => {
    await host.is('connection_failure');
    await host.place('lost', 'disconnected');
    assert.equal(host.shown.lost, true);
    const from = host.statuses.length;
    await new Promise((later) => setTimeout(later, 2_000));
    const attempts = host.statuses.length - from;
    assert(attempts <= 6, `${attempts} attempts in 2 s`);
  });
});

test('the server crashes and comes back: the state is true again, and nothing was pressed in between', () =>
  using(server.grpc, token, async (host) => {
    await host.is('ok');
    await host.place('lost', 'disconnected');
    await host.place('up', 'connected');
    await host.has('slot_1_title', '');
    await server.kill();
    await host.is('connection_failure');
    await host.shows('lost', true);
    await host.shows('up', false);
    assert.equal(await host.refused('take_next', { slot: '1' }), 'NOT_CONNECTED');
    await server.start();
    await server.booth('slot', 'update', '1', '--title', 'Sofa');
    await host.is('ok', 20_000);
    await host.has('slot_1_title', 'Sofa');
    await host.shows('lost', false);
    await host.has('connection', 'connected');
    // Taken up where it was or told anew, what is shown is what the server has.
    await until(() => host.presets.structure[0].definitions[0].name === 'Slot 1: Sofa', 'the preset’s heading');
    assert.equal(await host.refused('release', { slot: '1' }), 'SLOT_FREE');
  }));

test('a connection that is dead without a sign is noticed, and replaced', async () => {
  const network = await Network.to(server.grpc);
  try {
    await using(network.url, token, async (host) => {
      await host.is('ok');
      const from = performance.now();
      network.freeze();
      await host.is('connection_failure', 9_000);
      const took = performance.now() - from;
      assert(took < 8_500, `${took} ms`);
      assert.match(host.status.message, /nothing heard/);
      network.thaw();
      await server.booth('slot', 'update', '2', '--title', 'Meanwhile');
      await host.is('ok', 12_000);
      await host.has('slot_2_title', 'Meanwhile');
    });
  } finally {
    network.close();
  }
});

test('an answer that is lost on the way: the press is sent again, and carried out once', async () => {
  const network = await Network.to(server.grpc);
  try {
    await using(network.url, token, async (host) => {
      await host.is('ok');
      // Somebody without a camera is enough to write to.
      const invite = new URL(await server.invite()).hash.slice(1);
      const body = JSON.stringify({ show: 'main', invite, name: 'Anna', topic: '' });
      await fetch(new URL('/api/join', server.http), { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      await host.has('queue_1_caller', 'Anna');
      // The server does it; only its answer does not come through.
      network.freeze(/ChatCaller$/);
      const press = host.press('chat', { who: 'position', text: 'Hello' });
      const messages = async () => (await server.booth('caller', 'get', 'Anna')).caller.chat ?? [];
      await until(async () => (await messages()).length > 0, 'the message');
      network.thaw();
      await press;
      assert.equal(host.values.last_error, '');
      assert.equal(network.requests.filter((method) => /ChatCaller$/.test(method)).length, 2);
      assert.deepEqual((await messages()).map(({ text }) => text), ['Hello']);
    });
  } finally {
    network.close();
  }
});

test('a server of another version works with a warning that names both', async () => {
  const network = await Network.to(server.grpc);
  network.alter('0.1.0', '0.9.0');
  try {
    await using(network.url, token, async (host) => {
      await host.is('unknown_warning');
      assert.match(host.status.message, /server 0\.9\.0, module 0\.1\.0/);
      await host.has('slot_1_state', 'IDLE');
      assert.equal(await host.refused('release', { slot: '1' }), 'SLOT_FREE');
    });
  } finally {
    network.close();
  }
});
