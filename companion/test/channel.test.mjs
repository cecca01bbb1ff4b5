// A channel with a real encoder and a real receiver: its buttons, and its tally.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { Server } from '../../tests/browser/server.mjs';
import * as presets from './presets.mjs';
import { Host, until } from './rig.mjs';

/** @type {Server} */ let server;
/** @type {Host} */ let host;
let dir = '';
let file = '';
const children = new Set();
process.once('exit', () => children.forEach((child) => child.kill('SIGKILL')));

function ffmpeg(...args) {
  const child = spawn('ffmpeg', ['-v', 'error', '-nostdin', ...args], { stdio: 'ignore' });
  children.add(child);
  return () => child.kill('SIGKILL') && children.delete(child);
}

async function freeUdp() {
  const socket = createSocket('udp4');
  await new Promise((bound) => socket.bind(0, '127.0.0.1', bound));
  const { port } = socket.address();
  await new Promise((closed) => socket.close(closed));
  return port;
}

const channel = async () => (await server.booth('channel', 'get', 'radio')).channel;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'booth-companion-'));
  file = join(dir, 'loop.mp4');
  const picture = 'testsrc=size=320x180:rate=25,format=yuv420p';
  const coded = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '25', '-c:a', 'aac'];
  const sources = ['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', 'sine=sample_rate=48000,pan=stereo|c0=c0|c1=c0'];
  await promisify(execFile)('ffmpeg', ['-v', 'error', ...sources, '-t', '2', ...coded, file]);
  server = await new Server().start();
  const { token } = await server.booth('operator', 'add', 'desk', '--role', 'operator');
  host = await Host.start({ url: server.grpc, show: 'main', meter_rate: 4 }, token);
  await host.is('ok');
});

after(async () => {
  await host?.end();
  for (const child of children) child.kill('SIGKILL');
  await server?.clear();
  if (dir) await rm(dir, { recursive: true, force: true });
});

test('a channel brings its buttons, starts by one, and shows what is on it and since when', async () => {
  await host.place('off', 'channel_off', { channel: 'radio' });
  await host.place('backup', 'channel_on_backup', { channel: 'radio' });
  await host.place('live', 'channel_live', { channel: 'radio' });
  assert.equal(await host.refused('channel_run', { channel: 'radio', mode: 'on' }), 'CHANNEL_NOT_FOUND');
  const srt = String(await freeUdp());
  const format = ['--size', '320x180', '--fps', '25', '--stable', '300ms', '--srt-port', srt];
  await server.booth('channel', 'create', 'radio', '--backup', file, ...format, '--title', 'Radio');
  await until(() => host.presets.presets.channel_radio_backup, 'the channel’s buttons');
  presets.check(host);
  await host.shows('off', true);
  await host.has('channel_radio_source', 'OFF');

  await host.press('channel_run', { channel: 'radio', mode: 'on' });
  await until(async () => (await channel()).showing === 'SHOWING_BACKUP', 'the backup on air');
  await host.shows('backup', true);
  await host.shows('off', false);
  await host.has('channel_radio_source', 'BACKUP');
  await host.has('channels_on_backup', 1);
  await host.has('channel_radio_time_s', (s) => s >= 1);

  const end = ffmpeg('-re', '-stream_loop', '-1', '-i', file, '-c', 'copy', '-f', 'mpegts', `srt://127.0.0.1:${srt}?streamid=radio&latency=20000`);
  await host.shows('live', true, 20_000);
  await host.shows('backup', false);
  assert.equal((await channel()).showing, 'SHOWING_LIVE');

  await host.place('forced', 'channel_forced', { channel: 'radio', to: 'backup' });
  await host.press('channel_force', { channel: 'radio', to: 'backup' });
  await host.shows('forced', true);
  await host.shows('backup', true);
  assert.equal((await channel()).force, 'FORCE_BACKUP');
  await host.has('channel_radio_mode', 'BACKUP');
  await host.press('channel_force', { channel: 'radio', to: 'live' });
  await host.shows('live', true);
  assert.equal((await channel()).force, 'FORCE_LIVE');
  await host.press('channel_force', { channel: 'radio', to: 'auto' });
  await until(async () => (await channel()).force === 'FORCE_AUTO', 'automatic again');
  end();
  await host.shows('backup', true);
  assert.equal(host.values.last_error, '');
});

test('a destination is down, then live, and switched off and on by its button', async () => {
  const port = await freeUdp();
  const of = { destination: 'radio/monitor' };
  await host.place('up', 'destination_live', of);
  await host.place('down', 'destination_down', of);
  await server.booth('destination', 'add', 'radio', 'monitor', '--url', `srt://127.0.0.1:${port}`);
  await host.has('destinations_wanted', 1);
  await host.shows('down', true);
  assert(presets.check(host).includes('channel_radio_to_monitor'));

  const end = ffmpeg('-i', `srt://127.0.0.1:${port}?mode=listener`, '-c', 'copy', '-f', 'null', '-');
  await host.shows('up', true, 30_000);
  await host.shows('down', false);
  await host.has('destinations_up', 1);
  await host.has('channel_radio_destinations_up', 1);
  await host.has('destination_radio_monitor_state', 'LIVE');

  await host.press('destination_enable', { ...of, mode: 'toggle' });
  await host.has('destination_radio_monitor_state', 'DISABLED');
  await host.shows('up', false);
  // Off on purpose is not down.
  assert.equal(host.shown.down, false);
  assert.notEqual((await server.booth('destination', 'get', 'radio', 'monitor')).destination.enabled, true);
  end();
  await host.press('destination_enable', { ...of, mode: 'on' });
  await until(async () => (await server.booth('destination', 'get', 'radio', 'monitor')).destination.enabled, 'the destination to be enabled');
  await host.shows('down', true);
});

test('a channel is stopped by its button, and its buttons go with it', async () => {
  await host.press('channel_run', { channel: 'radio', mode: 'off' });
  await host.shows('off', true);
  await until(async () => !(await channel()).running, 'the channel to be off');
  await host.shows('down', false);
  await server.booth('channel', 'delete', 'radio');
  await until(() => !host.presets.presets.channel_radio_backup, 'the channel’s buttons to go');
  assert(!('channel_radio_source' in host.variables));
  presets.check(host);
  assert.equal(await host.refused('destination_enable', { destination: 'radio/monitor' }), 'DESTINATION_NOT_FOUND');
  assert.deepEqual(host.logs.filter(({ level }) => level === 'error'), []);
});
