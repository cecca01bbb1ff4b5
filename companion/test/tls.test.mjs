// The API in TLS: with an authority of one's own, and what is said when it does not fit.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Server } from '../../tests/browser/server.mjs';
import { Host } from './rig.mjs';

/** @type {Server} */ let server;
let token = '';
let authority = '';
const dir = mkdtempSync(join(tmpdir(), 'booth-tls-'));
const file = (name) => join(dir, name);

before(async () => {
  const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=Studio authority');
  openssl('req', ...key, '-keyout', file('api.key'), '-out', file('api.csr'), '-subj', '/CN=booth');
  writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1\n');
  openssl('x509', '-req', '-in', file('api.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file('names'), '-out', file('api.pem'));
  authority = readFileSync(file('ca.pem'), 'utf8');
  server = await new Server({ 'grpc.tls_cert': file('api.pem'), 'grpc.tls_key': file('api.key') }, file('ca.pem')).start();
  ({ token } = await server.booth('operator', 'add', 'desk', '--role', 'operator'));
});

after(async () => {
  await server?.clear();
  rmSync(dir, { recursive: true });
});

const config = (url, ca = '') => ({ url, show: 'main', meter_rate: 4, ca });

/** Runs with a host that is ended whatever happens. */
async function using(given, body) {
  const host = await Host.start(given, token);
  try {
    await body(host);
  } finally {
    await host.end();
  }
}

test('a certificate of one’s own authority is refused by name until that authority is entered', () =>
  using(config(server.grpc), async (host) => {
    await host.is('connection_failure');
    assert.match(host.status.message, /nobody who is trusted here signed/);
    // As a field of one line leaves it.
    await host.call('configure', { config: config(server.grpc, authority.replaceAll('\n', ' ')), secrets: { token } });
    await host.is('ok');
    await host.has('operator', 'desk');
    await host.has('slot_2_state', 'IDLE');
    assert.equal(await host.refused('release', { slot: '1' }), 'SLOT_FREE');
  }));

test('another name than the certificate’s is said', () =>
  using(config(server.grpc.replace('127.0.0.1', 'localhost'), authority), async (host) => {
    await host.is('connection_failure');
    assert.match(host.status.message, /for another name/);
  }));

test('a server without TLS is said', async () => {
  const plain = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise((open) => plain.listen(0, '127.0.0.1', open));
  try {
    await using(config(`https://127.0.0.1:${plain.address().port}`), async (host) => {
      await host.is('connection_failure');
      assert.match(host.status.message, /does not speak TLS/);
    });
  } finally {
    plain.close();
  }
});

test('what is no certificate is a bad configuration', () =>
  using(config(server.grpc, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'), async (host) => {
    await host.is('bad_config');
    assert.match(host.status.message, /your own authority/);
  }));
