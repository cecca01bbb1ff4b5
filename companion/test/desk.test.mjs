// Buttons against a real server with real callers: what they do is seen by other clients, and what others do by them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Server } from '../../tests/browser/server.mjs';
import * as presets from './presets.mjs';
import { Demo, Host, Network, until, Watcher } from './rig.mjs';

const RED = (200 << 16) | (0 << 8) | 0;
const GREEN = (0 << 16) | (200 << 8) | 0;

/** @type {Server} */ let server;
/** @type {Host} */ let host;
/** @type {Watcher} */ let other;
/** @type {Demo} */ let demo;
let token = '';
const slot = async (id) => (await server.booth('slot', 'get', id)).slot;
const caller = async (id) => (await server.booth('caller', 'get', id)).caller;
/** Callers as the command line sees them, by the name they gave. */
const named = async (name) => (await server.callers()).find((found) => found.displayName === name);
const start = (url = server.grpc) => Host.start({ url, show: 'main', meter_rate: 4 }, token);

/** Nobody on air, everybody connected ready: where most tests begin. */
async function calm() {
  for (const id of ['1', '2']) if ((await slot(id)).assignedCaller) await server.booth('slot', 'release', id, '--requeue');
  const unready = ['STATE_HELD', 'STATE_WAITING', 'STATE_SCREENING'];
  for (const { name } of (await server.callers()).filter(({ state }) => unready.includes(state))) await server.booth('caller', 'approve', name);
  const ready = (await server.callers()).filter(({ state }) => state === 'STATE_READY').length;
  await host.has('queue_ready', ready);
  return ready;
}

before(async () => {
  server = await new Server().start();
  ({ token } = await server.booth('operator', 'add', 'desk', '--role', 'operator'));
  other = new Watcher(server, token);
  host = await start();
  await host.is('ok');
  demo = new Demo(server, await server.invite(), 3);
  await host.has('queue_waiting', 3, 25_000);
  // Whoever was quickest is at the head.
  for (const place of ['1', '2', '3']) await server.booth('caller', 'move', `caller ${place}`, '--to', place);
  await host.has('queue_3_caller', 'caller 3');
});

after(async () => {
  await host?.end();
  await demo?.stop();
  other?.stop();
  await server?.clear();
});

test('each of the queue’s verbs reaches the server, under the token’s name', async () => {
  await host.place('ready', 'caller_ready', { who: 'position', position: 1 });
  await host.place('many', 'queue_above', { which: 'waiting', above: 2 });
  await host.shows('many', true);
  await host.shows('ready', false);

  await host.press('screen', { who: 'position', position: 2 });
  assert.equal((await other.heard('CALLER_STATE_CHANGED', /caller 2 is being screened/)).actor, 'operators/desk');
  assert.equal((await caller('caller 2')).state, 'STATE_SCREENING');
  await host.has('queue_2_state', 'SCREENING');

  await host.press('approve', { who: 'unready' });
  await until(async () => (await caller('caller 1')).state === 'STATE_READY', 'caller 1 to be ready');
  await host.shows('ready', true);
  await host.shows('many', false);
  await host.has('queue_next', 'caller 1');

  await host.press('approve', { who: 'screening' });
  await host.press('approve', { who: 'caller', caller: 'caller 3' });
  await host.has('queue_ready', 3);

  await host.press('hold', { who: 'next' });
  await until(async () => (await caller('caller 1')).state === 'STATE_HELD', 'caller 1 to be held');
  await host.has('queue_next', 'caller 2');
  await host.press('approve', { who: 'held' });
  await host.has('queue_held', 0);

  await host.press('move', { who: 'caller', caller: 'caller 3', how: 'to', places: 1 });
  await until(async () => (await caller('caller 3')).position === 1, 'caller 3 at the head');
  await host.has('queue_1_caller', 'caller 3');
  await host.press('move', { who: 'position', position: 1, how: 'down', places: 2 });
  await until(async () => (await caller('caller 3')).position === 3, 'caller 3 at the end');
  await host.press('move', { who: 'caller', caller: 'caller 2', how: 'up', places: 1 });
  await host.press('move', { who: 'caller', caller: 'caller 1', how: 'to', places: 1 });
  await until(async () => (await caller('caller 1')).position === 1, 'caller 1 at the head');
  await host.has('queue_2_caller', 'caller 2');

  await host.press('chat', { who: 'next', text: 'On in a minute' });
  const { text, operator } = (await until(async () => (await caller('caller 1')).chat?.[0], 'the message'));
  assert.deepEqual([text, operator], ['On in a minute', 'operators/desk']);
  assert.equal(host.values.last_error, '');
});

test('take, tally, mute, picture, release: facts of the output, told back', async () => {
  const { defaultStyle } = host.feedbacks.slot_on_air;
  assert.deepEqual([defaultStyle.bgcolor, host.feedbacks.slot_armed.defaultStyle.bgcolor], [RED, GREEN]);
  for (const state of ['on_air', 'armed', 'idle', 'pending', 'frozen', 'clip']) await host.place(state, `slot_${state}`, { slot: '1' });
  await host.place('tile', 'slot_tile', { slot: '1' }, { width: 72, height: 58 });
  await host.place('face', 'caller_tile', { who: 'slot', on_slot: '1', fit: 'fill' }, { width: 72, height: 72 });
  await host.place('bad', 'caller_bad', { who: 'slot', on_slot: '1', below: 1 });
  // Every score is below 6: true as soon as there is a reading.
  await host.place('scored', 'caller_bad', { who: 'slot', on_slot: '1', below: 6 });
  await host.shows('armed', true);
  await host.has('slot_1_next', 'caller 1');
  assert.equal(host.shown.on_air, false);

  await host.press('take_next', { slot: '1', fade_ms: 300 });
  await other.heard('SLOT_TAKEN', /caller 1\b.* slot 1 with a fade of 300 ms/);
  assert.equal((await slot('1')).assignedCaller, (await named('caller 1')).name);
  await host.shows('on_air', true);
  await host.shows('pending', false);
  await until(async () => (await slot('1')).showing === 'SHOWING_CALLER', 'the output to show the caller');
  assert.deepEqual([host.shown.armed, host.shown.idle, host.shown.frozen, host.shown.bad], [false, false, false, false]);
  await host.has('slot_1_caller', 'caller 1');
  await host.has('slot_1_state', 'ON AIR');
  assert.equal(host.values.slot_1_topic, 'demo');
  await host.has('slot_1_level', (dbfs) => dbfs > -60 && dbfs < 0);

  // A picture of what is on air, whole and not of one colour; a second one fills the button.
  const tile = await until(() => host.shown.tile?.imageBuffer && host.shown.tile, 'the slot’s picture');
  assert.deepEqual(tile.imageBufferEncoding, { pixelFormat: 'RGB' });
  assert.deepEqual([tile.imageBufferPosition.width, tile.imageBufferPosition.height], [72, 41]);
  assert.equal(Buffer.from(tile.imageBuffer, 'base64').length, 72 * 41 * 3);
  const colours = ({ imageBuffer = '' } = {}) => new Set(Buffer.from(imageBuffer, 'base64')).size;
  // The output was black until a second ago.
  const face = await until(() => colours(host.shown.face) > 8 && host.shown.face, 'the caller’s picture');
  assert.equal(Buffer.from(face.imageBuffer, 'base64').length, 72 * 72 * 3);
  await until(() => host.shown.face.imageBuffer !== face.imageBuffer, 'another picture', 6_000);

  await host.shows('scored', true);
  demo.pause();
  await host.shows('frozen', true);
  assert.equal(host.shown.on_air, true);
  demo.resume();
  await host.shows('frozen', false);
  await host.shows('on_air', true);

  await host.place('muted', 'caller_muted', { who: 'slot', on_slot: '1' });
  await host.press('mute', { who: 'slot', on_slot: '1', mode: 'toggle' });
  await host.shows('muted', true);
  assert.equal((await caller('caller 1')).muted, true);
  await host.press('mute', { who: 'slot', on_slot: '1', mode: 'toggle' });
  await host.shows('muted', false);

  await host.press('release', { slot: '1', to: 'requeue' });
  await host.shows('on_air', false);
  await until(async () => (await caller('caller 1')).state === 'STATE_READY', 'caller 1 to be ready again');
  await host.has('slot_1_caller', '');
  await host.has('slot_1_elapsed', '');
  await until(() => Object.keys(host.shown.face).length === 0, 'the face to go with the caller');
});

test('a certain caller is armed and taken; the rest of the slot’s verbs', async () => {
  await calm();
  await host.press('arm', { slot: '2', who: 'caller', caller: 'caller 3' });
  await until(async () => (await slot('2')).armedCaller === (await named('caller 3')).name, 'caller 3 armed');
  await host.has('slot_2_next', 'caller 3');
  await host.press('take_caller', { slot: '2', who: 'caller', caller: 'caller 3' });
  await host.has('slot_2_caller', 'caller 3');
  await host.press('take_caller', { slot: '2', who: 'caller', caller: 'caller 2', replace: true });
  await host.has('slot_2_caller', 'caller 2');
  await until(async () => (await caller('caller 3')).state === 'STATE_HELD', 'caller 3 replaced, and held');
  await host.press('release', { slot: '2', to: 'hold' });
  await until(async () => (await caller('caller 2')).state === 'STATE_HELD', 'caller 2 held');
  await host.press('arm', { slot: '2', who: 'next' });
  await until(async () => !(await slot('2')).armedCaller, 'arming by itself again');
  assert.equal(host.values.last_error, '');

  // The other way round: what the command line does is on the buttons.
  await host.place('other', 'slot_on_air', { slot: '1' });
  await server.booth('slot', 'take', '1', 'caller 1');
  await host.shows('other', true);
  await host.has('slot_1_caller', 'caller 1');
});

test('refusals of the server are shown with their reason, and go with the next press that works', async () => {
  await calm();
  await host.place('refused', 'refused', { seconds: 30 });
  await host.shows('refused', false);
  await host.press('hold', { who: 'caller', caller: 'caller 3' });
  await host.has('queue_held', 1);
  assert.equal(await host.refused('take_caller', { slot: '1', who: 'caller', caller: 'caller 3' }), 'CALLER_NOT_READY');
  await host.shows('refused', true);
  assert.match(host.values.last_error, /^caller 3 is Held/);
  assert(host.logs.some(({ level, message }) => level === 'warn' && message.includes('CALLER_NOT_READY')));
  await host.press('approve', { who: 'caller', caller: 'caller 3' });
  await host.has('last_error', '');
  assert.equal(await host.refused('take_next', { slot: 'nosuch' }), 'SLOT_NOT_FOUND');
  assert.equal(await host.refused('release', { slot: '1' }), 'SLOT_FREE');
  assert.equal(await host.refused('approve', { who: 'waiting' }), 'NOBODY_THERE');
  assert.equal(await host.refused('mute', { who: 'nonsense' }), 'NOBODY_THERE');
});

test('two desks press Take on one slot at once: one caller is on air, the other desk is told', async () => {
  await calm();
  const second = await start();
  try {
    await second.is('ok');
    for (let round = 1; round <= 5; round++) {
      await until(() => host.values.queue_next && host.values.queue_next === second.values.queue_next, 'both desks to see the same');
      const next = host.values.queue_next;
      await Promise.all([host.press('take_next', { slot: '1' }), second.press('take_next', { slot: '1' })]);
      await until(() => host.values.last_error_reason || second.values.last_error_reason, 'one of them to be told');
      const reasons = [host.values.last_error_reason, second.values.last_error_reason].filter(Boolean);
      assert.equal(reasons.length, 1, `round ${round}: ${reasons}`);
      assert(['CHANGED_MEANWHILE', 'SLOT_OCCUPIED'].includes(reasons[0]), reasons[0]);
      const onAir = (await server.callers()).filter(({ state }) => state === 'STATE_ON_AIR');
      assert.deepEqual(onAir.map(({ displayName }) => displayName), [next], `round ${round}`);
      await Promise.all([host.has('slot_1_caller', next), second.has('slot_1_caller', next)]);
      await host.press('release', { slot: '1', to: 'requeue' });
      await Promise.all([host, second].map((desk) => desk.has('queue_ready', 3)));
      await second.press('chat', { who: 'next' });
      await Promise.all([host, second].map((desk) => desk.has('last_error', '')));
    }
  } finally {
    await second.end();
  }
});

test('a desk that sees an old queue airs nobody it did not show', async () => {
  await calm();
  const network = await Network.to(server.grpc);
  const late = await start(network.url);
  try {
    await late.is('ok');
    await late.has('queue_ready', 3);
    const [first, then] = [late.values.queue_1_caller, late.values.queue_2_caller];
    network.freeze(/Watch$/);
    await host.press('take_next', { slot: '1' });
    await host.has('slot_1_caller', first);
    // Still inside the time in which the silence is not noticed. Even “replace” is about what the desk saw: a free slot.
    assert.equal(late.values.slot_1_caller, '');
    assert.equal(await late.refused('take_next', { slot: '1', replace: true }), 'CHANGED_MEANWHILE');
    assert.match(late.values.last_error, new RegExp(`${first} is on it now`));
    assert.equal(await late.refused('take_next', { slot: '2', replace: true }), 'CALLER_ON_AIR');
    assert.equal((await slot('2')).assignedCaller, undefined);
    assert.equal((await named(then)).state, 'STATE_READY');
  } finally {
    network.close();
    await late.end();
  }
  await host.press('release', { slot: '1', to: 'requeue' });
  await host.has('queue_ready', 3);
});

test('a macro that takes two callers takes two; a bouncing button takes one', async () => {
  await calm();
  const [first, second] = [host.values.queue_1_caller, host.values.queue_2_caller];
  await Promise.all([host.press('take_next', { slot: '1' }), host.press('take_next', { slot: '2' })]);
  await host.has('slot_1_caller', first);
  await host.has('slot_2_caller', second);
  await host.press('release', { slot: '2', to: 'requeue' });
  await host.has('slot_2_caller', '');
  const third = host.values.queue_next;
  const bounce = () => host.press('take_next', { slot: '2', replace: true });
  await Promise.all([bounce(), bounce()]);
  await host.has('slot_2_caller', third);
  assert.equal(host.values.last_error_reason, 'CHANGED_MEANWHILE');
  assert.equal((await slot('2')).assignedCaller, (await named(third)).name);
  await host.press('release', { slot: '1', to: 'requeue' });
  await host.press('release', { slot: '2', to: 'requeue' });
  await host.has('queue_ready', 3);
});

test('time on air counts seconds of the server, and Companion is not flooded', async () => {
  await calm();
  await host.press('take_next', { slot: '1' });
  await host.has('slot_1_elapsed_s', (s) => s >= 1);
  const before = await host.call('counted');
  const from = performance.now();
  const seen = new Set();
  await until(() => seen.add(host.values.slot_1_elapsed_s).size >= 4, 'three more seconds');
  const seconds = (performance.now() - from) / 1000;
  const messages = (await host.call('counted')).values - before.values;
  // Once a second the clocks, and at most as often as asked for the levels.
  assert(messages <= Math.ceil(seconds) * (1 + 4) + 3, `${messages} in ${seconds} s`);
  assert.match(host.values.slot_1_elapsed, /^0:0\d$/);
  const truth = Date.now() - Date.parse((await slot('1')).assignTime);
  assert(Math.abs(truth / 1000 - host.values.slot_1_elapsed_s) < 2);
  await host.press('release', { slot: '1', to: 'drop' });
  await host.has('queue_length', 2);
  await other.heard('CALLER_STATE_CHANGED', /is done by desk/);
});

test('names of strangers do no harm', async () => {
  const invite = new URL(await server.invite()).hash.slice(1);
  const name = 'A\u001b]52;c;aGk=\u0007\u202e$(internal:time_hms)\\n\u200bB'.padEnd(10_000, 'x');
  const topic = '$(booth:server_version) $$(a:b) e\u0301'.padEnd(1_000, '\u0301');
  const answer = await fetch(new URL('/api/join', server.http), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ show: 'main', invite, name, topic }),
  });
  assert.equal(answer.status, 201);
  await host.has('queue_length', 3);
  // Nothing comes from them: that is a bad connection, too.
  await host.place('absent', 'caller_bad', { who: 'position', position: 3, below: 1 });
  await host.shows('absent', true);
  const shown = host.values.queue_3_caller;
  assert.match(shown, /^A.*B/);
  const segments = [...new Intl.Segmenter().segment(shown)].length;
  assert(segments <= 65, `${segments} letters`);
  for (const value of Object.values(host.values)) {
    assert.doesNotMatch(String(value), /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]|\$\(|\\/u);
    assert(String(value).length < 3_000);
  }
  // Presets are texts about variables; what callers write is not in them.
  assert(!JSON.stringify(host.presets).includes('internal'));
  await host.press('reject', { who: 'caller', caller: (await server.callers()).find(({ topic: of }) => of.includes('booth')).name, reason: 'No' });
  await host.has('queue_length', 2);
  assert.match(JSON.stringify(await server.booth('caller', 'list', '--ended')), /"endNote":"No"/);
});

test('what comes and goes brings its buttons along; changes make no new definitions', async () => {
  presets.check(host);
  const before = (await host.call('counted')).definitions;
  await host.press('hold', { who: 'next' });
  await host.has('queue_held', 1);
  await host.press('drop', { who: 'held' });
  await host.has('queue_length', 1);
  await host.press('chat', { who: 'next', text: 'hello' });
  assert.equal((await host.call('counted')).definitions, before);

  await server.booth('slot', 'create', 'phone', '--title', 'Phone $(x:y)', '--audio-only');
  await until(() => host.presets.presets.slot_phone_take, 'the new slot’s buttons');
  assert(host.actions.take_next.options[0].choices.some(({ id }) => id === 'phone'));
  assert('slot_phone_caller' in host.variables);
  const names = presets.check(host);
  assert(['tally', 'take', 'fade', 'release'].every((of) => names.includes(`slot_phone_${of}`)));
  assert(!JSON.stringify(host.presets).includes('$(x:y)'));
  await server.booth('slot', 'delete', 'phone');
  await until(() => !host.presets.presets.slot_phone_take, 'its buttons to go');
  assert(!('slot_phone_caller' in host.variables));
  presets.check(host);
});

test('nothing was set that is not defined, and no feedback failed', () => {
  assert.deepEqual(host.logs.filter(({ level }) => level === 'error'), []);
  for (const [id, value] of Object.entries(host.shown)) assert(typeof value !== 'string', `${id}: ${value}`);
});
