// The parts without a server: what strangers' text becomes, meters, clocks, pauses, pictures, snapshots in parts.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { encode } from 'jpeg-js';

let dir = '';
/** The sources, bundled as they are for the module. */
let parts;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'booth-companion-'));
  const outfile = join(dir, 'parts.mjs');
  const modules = ['backoff', 'link', 'meters', 'mirror', 'picture', 'refusal', 'servertime', 'text'];
  const contents = modules.map((name) => `export * from './${name}';`).join('\n');
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  const stdin = { contents, resolveDir: resolve(import.meta.dirname, '../src') };
  await build({ stdin, outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', banner, logLevel: 'error' });
  parts = await import(pathToFileURL(outfile));
});

after(() => rm(dir, { recursive: true, force: true }));

test('text of strangers is one short line that Companion reads nothing into', () => {
  const { plain } = parts;
  assert.equal(plain('  Åse  Øst\t\n '), 'Åse Øst');
  assert.equal(plain('\u001b[31mred\u001b]52;c;aGk=\u0007'), '[31mred]52;c;aGk=');
  assert.equal(plain('a\u202eb\u2066c\u200bd\u00ade'), 'abcde');
  assert.equal(plain('$(internal:time_hms) $$(x:y) 5$'), '(internal:time_hms) (x:y) 5');
  assert.equal(plain('$\u200b(a:b)'), '(a:b)');
  assert.equal(plain('one\\ntwo'), 'one/ntwo');
  assert.equal(plain('👩‍👩‍👧 नमस्ते'), '👩‍👩‍👧 नमस्ते');
  assert.equal(plain('x'.repeat(10_000)), `${'x'.repeat(64)}…`);
  assert(plain(`e${'\u0301'.repeat(10_000)}`).length <= 25);
  assert.equal(plain('abc', 2), 'ab…');
});

test('times are written as clocks', () => {
  const { clock } = parts;
  assert.deepEqual([0, 7, 61, 3_723, -5].map(clock), ['0:00', '0:07', '1:01', '1:02:03', '0:00']);
});

test('clipping is held for a glance, and levels go when no reading comes', () => {
  const { Meters, level } = parts;
  const meters = new Meters();
  const reading = (peak, clipping) => ({
    slots: [{ name: 'slots/1', rmsDbfs: [-20, -12.4], peakDbfs: [peak, -40], clients: 0 }],
    callers: [{ name: 'shows/main/callers/c', clipping, score: 4 }],
    channels: [],
  });
  meters.apply(reading(-3, false), 0);
  const calm = meters.digest(1);
  assert.equal(level(meters.slot('slots/1', 1)), -12);
  assert(!meters.clips('slots/1', 1));
  meters.apply(reading(0, true), 250);
  assert.notEqual(meters.digest(251), calm);
  meters.apply(reading(-3, false), 500);
  assert(meters.clips('slots/1', 1_700) && meters.clips('shows/main/callers/c', 1_700));
  assert(!meters.clips('slots/1', 1_800));
  assert.equal(meters.digest(1_800), calm);
  assert.equal(meters.slot('slots/1', 6_000), undefined);
  assert.equal(meters.digest(6_000), 'stale');
});

test('the server’s clock is the one of the message that was held up least', () => {
  const { ServerTime } = parts;
  const time = new ServerTime();
  assert.equal(time.now(5), 5);
  for (const late of [300, 20, 900]) time.heard(1_000_000 - late, 0);
  assert.equal(time.now(1_000), 1_000_980);
});

test('pauses grow to their limit, by chance, and begin anew after a success', () => {
  const { Backoff } = parts;
  const backoff = new Backoff(100, 1_000);
  const pauses = Array.from({ length: 8 }, () => backoff.pause());
  pauses.forEach((pause, i) => {
    const most = Math.min(100 * 2 ** i, 1_000);
    assert(pause >= most / 2 && pause <= most, `${i}: ${pause}`);
  });
  backoff.reset();
  assert(backoff.pause() <= 100);
});

test('versions before 1.0 fit by their minor number, later ones by their major number', () => {
  const { compatible } = parts;
  assert(compatible('0.1.7', '0.1.0') && compatible('2.9.0', '2.0.1'));
  assert(!compatible('0.2.0', '0.1.0') && !compatible('1.0.0', '0.1.0') && !compatible('', '0.1.0'));
});

test('a picture is scaled into the button, whole or filling it; what is no JPEG is refused', () => {
  const { Picture } = parts;
  const [width, height] = [320, 180];
  const data = Buffer.alloc(width * height * 4, 255);
  for (let i = 0; i < width * height; i++) data.set(i % width < width / 2 ? [255, 0, 0] : [0, 0, 255], i * 4);
  const picture = new Picture(encode({ width, height, data }, 95).data);
  const pixel = ({ imageBuffer, imageBufferPosition: at }, x, y) => [...Buffer.from(imageBuffer, 'base64').subarray((y * at.width + x) * 3).subarray(0, 3)];
  const near = (got, wanted) => got.forEach((value, i) => assert(Math.abs(value - wanted[i]) < 30, `${got} is not ${wanted}`));
  for (const [fit, position] of [
    ['whole', { x: 0, y: 16, width: 72, height: 41 }],
    ['fill', { x: 0, y: 0, width: 72, height: 72 }],
  ]) {
    const drawn = picture.on(72, 72, fit);
    const at = drawn.imageBufferPosition;
    assert(Math.abs(at.y - position.y) <= 1);
    assert.deepEqual({ ...at, y: position.y }, position);
    assert.equal(Buffer.from(drawn.imageBuffer, 'base64').length, at.width * at.height * 3);
    near(pixel(drawn, 5, 20), [255, 0, 0]);
    near(pixel(drawn, at.width - 6, 20), [0, 0, 255]);
  }
  assert.throws(() => new Picture(Buffer.from('GIF89a')));
  assert.throws(() => new Picture(encode({ width: 2_000, height: 1_000, data: Buffer.alloc(8_000_000) }, 50).data), /resolution/i);
});

test('a snapshot in parts is seen when it is whole, and one that breaks off is not resumed from', () => {
  const { Mirror } = parts;
  const mirror = new Mirror();
  const snapshot = (revision, more, ...slots) => {
    const value = { shows: [], callers: [], channels: [], slots: slots.map((name) => ({ name })), more };
    return { revision, message: { case: 'snapshot', value } };
  };
  const ids = () => mirror.slots.map(({ name }) => name);
  assert.equal(mirror.apply(snapshot(7n, true, 'slots/10')), false);
  assert.deepEqual([ids(), mirror.revision], [[], 0n]);
  assert.equal(mirror.apply(snapshot(7n, false, 'slots/9')), true);
  assert.deepEqual([ids(), mirror.revision], [['slots/9', 'slots/10'], 7n]);
  mirror.apply(snapshot(9n, true, 'slots/1'));
  mirror.broken();
  assert.deepEqual([ids(), mirror.revision], [['slots/9', 'slots/10'], 7n]);
  mirror.apply(snapshot(9n, false, 'slots/2'));
  assert.deepEqual([ids(), mirror.revision], [['slots/2'], 9n]);
  const gone = { case: 'change', value: { actor: 'system', resources: [{ resource: { case: 'deleted', value: 'slots/2' } }] } };
  assert.equal(mirror.apply({ revision: 10n, message: gone }), true);
  assert.deepEqual(ids(), []);
});

test('a connection that breaks off is told from what the server refuses, whatever code the transport gives it', () => {
  const { refusal, mayRepeat } = parts;
  for (const code of ['EPIPE', 'ECONNRESET']) {
    const inner = Object.assign(new Error('write'), { code });
    const refused = refusal(new Error('outer', { cause: inner }));
    assert.equal(refused.reason, 'CONNECTION_BROKEN');
    assert(mayRepeat(refused));
  }
  assert(!mayRepeat(refusal(new Error('something else'))));
});
