// What is packed: a manifest that Companion takes, and code that runs with no permission but to be read.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { validateManifest } from '@companion-module/base/manifest';

import { Host, PACKED } from './rig.mjs';

const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));
const source = json(import.meta.dirname, '../package.json');

test('the packed manifest is valid, and names the module’s version and Node 22', () => {
  const manifest = json(PACKED, 'companion/manifest.json');
  validateManifest(manifest, false);
  assert.equal(manifest.version, source.version);
  assert.equal(manifest.runtime.type, 'node22');
  assert.equal(manifest.runtime.apiVersion, source.dependencies['@companion-module/base']);
  assert.deepEqual(Object.values(manifest.runtime.permissions).filter(Boolean), []);
});

test('module and server have one version', () => {
  const server = /^version = "([^"]+)"/m.exec(readFileSync(join(import.meta.dirname, '../../Cargo.toml'), 'utf8'))[1];
  assert.equal(source.version, server);
});

test('the archive has the module, its help and nothing else', () => {
  const archive = join(import.meta.dirname, `../booth-${source.version}.tgz`);
  const files = execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' }).split('\n').filter((name) => name && !name.endsWith('/'));
  const wanted = ['companion/HELP.md', 'companion/manifest.json', 'main.js', 'package.json'];
  assert.deepEqual(files.map((name) => name.replace(/^booth\//, '')).sort(), wanted);
});

test('it loads without any permission, asks for a token as a secret, and says what is missing', async () => {
  const host = await Host.start({ url: 'http://127.0.0.1:9', show: 'main', meter_rate: 4 }, '');
  try {
    assert.deepEqual(await host.call('may'), { read: false, write: false, child: false, worker: false });
    const fields = await host.call('fields');
    assert.equal(fields.find(({ id }) => id === 'token').type, 'secret-text');
    await host.is('bad_config');
    assert.match(host.status.message, /Token/);
    for (const url of ['', 'boothd', 'ftp://x', 'http://', 'http://u:p@h', 'http://h/path']) {
      await host.call('configure', { config: { url }, secrets: { token: 'x' } });
      assert.equal(host.status.status, 'bad_config', url);
      assert.match(host.status.message, /^Server: /);
    }
    await host.call('configure', { config: { url: 'http://127.0.0.1:9' }, secrets: { token: 'x\r\nevil: 1' } });
    assert.match(host.status.message, /^Token: /);
  } finally {
    await host.end();
  }
});

test('upgrade scripts leave the buttons of this version as they are', async () => {
  const host = await Host.start();
  try {
    const actions = [{ id: 'a', controlId: 'c', actionId: 'take_next', options: {} }];
    for (const result of await host.call('upgrade', { props: { config: {}, secrets: {}, actions, feedbacks: [] } })) {
      assert.deepEqual(result, { updatedConfig: null, updatedActions: [], updatedFeedbacks: [] });
    }
  } finally {
    await host.end();
  }
});
