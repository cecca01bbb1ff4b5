// From a browser to SRT: the real server, its command line, Chromium's fake camera and beep, and what comes out.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { inState, launch, linked, person } from './chromium.mjs';
import { Server, eventually } from './server.mjs';
import { Stub } from './stub.mjs';
import { fakeVmix } from './vmix.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
const server = new Server();
let failed = false;

before(async () => {
  await server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server.clear(failed);
});

/** A test whose people leave when it ends. */
function scene(name, body) {
  test(name, async () => {
    const people = [];
    const enters = async (name, topic = '', init = undefined) => {
      const { page, context, faults } = await person(browser);
      people.push({ context, faults });
      if (init) await page.addInitScript(init);
      await page.goto(await server.invite());
      await inState(page, 'start');
      await page.fill('#name', name);
      await page.fill('#topic', topic);
      await page.click('#join');
      await inState(page, 'waiting', 20_000);
      await linked(page, 'up');
      return page;
    };
    try {
      await body(enters);
      for (const { faults } of people) assert.deepEqual(faults, []);
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      for (const { context } of people) await context.close();
      for (const caller of await server.callers().catch(() => [])) await server.booth('caller', 'drop', caller.name).catch(() => {});
    }
  });
}

const called = async (name) => (await server.callers()).find((c) => c.displayName === name);
const showing = (what) => eventually(async () => (await server.booth('slot', 'get', '1')).slot.showing === what, `slot 1 ${what}`);
const band = (page) => page.locator('#band').innerText();

/** Fails with what was seen. */
function assertCallerSeenAndHeard(got) {
  const told = JSON.stringify(got);
  // The fake camera is a light green pacman on dark green, and never stands still.
  assert.ok(got.frames > 15 && got.green > 60 && got.green > 2 * got.red && got.green > 2 * got.blue, `no camera picture: ${told}`);
  assert.ok(got.motion > 0.5, `the picture stands still: ${told}`);
  assertHeard(got);
}

/** The fake microphone beeps, with silence in between. */
function assertHeard(got) {
  assert.ok(got.loudest > -40 && got.loudest - got.quietest > 15, `no beep: ${JSON.stringify(got)}`);
}

function assertBlack(got) {
  assert.ok(got.frames > 5 && Math.max(got.red, got.green, got.blue) < 8, `not black: ${JSON.stringify(got)}`);
}

function assertIdle(got) {
  assertBlack(got);
  assert.ok(got.loudest < -60, `not silent: ${JSON.stringify(got)}`);
}

scene('a caller goes on air from the page, is seen and heard by SRT, and off again', async (enters) => {
  assertIdle(await server.pull(1));
  const page = await enters('Ada', 'Bees');
  assert.match(await band(page), /You are 1st of 1/);
  await eventually(() => page.evaluate(() => document.querySelector('#return').currentTime > 0.3), 'return sound in the page');
  const caller = await called('Ada');
  assert.equal(caller.state, 'STATE_WAITING');
  assert.equal(caller.topic, 'Bees');
  assert.equal(caller.connected, true);
  await server.booth('caller', 'chat', caller.name, 'Can you hear us?');
  await eventually(async () => (await page.locator('#messages').innerText()).includes('Can you hear us?'), 'the studio’s message');
  await page.fill('#text', 'Loud and clear');
  await page.keyboard.press('Enter');
  await eventually(async () => JSON.stringify((await called('Ada')).chat).includes('Loud and clear'), 'the caller’s answer');
  await server.booth('caller', 'approve', caller.name);
  await inState(page, 'ready');
  await server.booth('slot', 'take', '1', '--next', '--wait');
  await inState(page, 'on_air');
  assertCallerSeenAndHeard(await server.pull(3));
  await server.booth('slot', 'release', '1');
  await inState(page, 'held');
  await showing('SHOWING_IDLE');
  assertIdle(await server.pull(1));
  await server.booth('caller', 'reject', caller.name, '--reason', 'That is all for today');
  await inState(page, 'ended');
  assert.match(await page.locator('#done').innerText(), /That is all for today/);
});

scene('ON AIR follows the programme of a vMix, and the slot alone when that is gone', async (enters) => {
  const vmix = await fakeVmix('10');
  try {
    await server.booth('slot', 'update', '1', '--vmix', vmix.address, '--vmix-input', '2');
    const page = await enters('Ada');
    await server.booth('caller', 'approve', (await called('Ada')).name);
    await server.booth('slot', 'take', '1', '--next', '--wait');
    await inState(page, 'standby');
    vmix.cut('12');
    await inState(page, 'preview');
    vmix.cut('01');
    await inState(page, 'on_air');
    vmix.cut('10');
    await inState(page, 'standby');
    await vmix.close();
    await inState(page, 'on_air');
    await server.booth('slot', 'release', '1');
    await inState(page, 'held');
  } finally {
    await server.booth('slot', 'update', '1', '--no-vmix').catch(() => {});
    await vmix.close().catch(() => {});
  }
});

test('the server serves every file of the page, under the policy that the stub has too', async () => {
  const stub = await new Stub().start();
  try {
    for (const name of await readdir(new URL('../../web-join/', import.meta.url))) {
      const path = name === 'index.html' ? '/join/main' : `/assets/${name}`;
      const [real, fake] = await Promise.all([fetch(server.http + path), fetch(stub.url + path)]);
      assert.equal(real.status, 200, `${name} is missing in the server: see its list of assets`);
      for (const header of ['content-type', 'content-security-policy', 'permissions-policy', 'referrer-policy', 'x-content-type-options', 'cache-control']) {
        assert.equal(real.headers.get(header), fake.headers.get(header), `${header} of ${name}`);
      }
    }
  } finally {
    await stub.stop();
  }
});

test('links that are used up, unknown, or of no show are told in plain words', async () => {
  const { url: once } = await server.booth('invite', 'create', '--uses', '1');
  const { page, context, faults } = await person(browser);
  const refused = async (url, words) => {
    await page.goto('about:blank');
    await page.goto(url);
    await inState(page, 'start');
    await page.fill('#name', 'Ada');
    await page.click('#join');
    await eventually(async () => words.test(await page.locator('#start-problem').innerText()), String(words));
  };
  try {
    await page.goto(once);
    await page.fill('#name', 'Ada');
    await page.click('#join');
    await inState(page, 'waiting', 20_000);
    await page.click('#leave');
    await page.click('#really');
    await inState(page, 'ended');
    await page.click('#done-button');
    await refused(once, /has been used already/);
    await refused(`${server.http}/join/main#made-up`, /does not work/);
    await refused(once.replace('/join/main', '/join/other'), /does not work|no such show/);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
});

scene('a refresh keeps the place before the one behind', async (enters) => {
  const first = await enters('First');
  const second = await enters('Second');
  assert.match(await band(second), /You are 2nd of 2/);
  const { name } = await called('First');
  await first.reload();
  await inState(first, 'waiting', 20_000);
  await linked(first, 'up');
  assert.match(await band(first), /You are 1st of 2/);
  assert.match(await band(second), /You are 2nd of 2/);
  assert.equal((await called('First')).name, name);
  assert.equal((await server.callers()).length, 2, 'nobody joined anew');
});

scene('a refresh on air is back on air, without anybody doing anything', async (enters) => {
  const page = await enters('Ada');
  await server.booth('caller', 'approve', (await called('Ada')).name);
  await server.booth('slot', 'take', '1', '--next', '--wait');
  await inState(page, 'on_air');
  await page.reload();
  await inState(page, 'on_air');
  await showing('SHOWING_CALLER');
  assertCallerSeenAndHeard(await server.pull(2));
});

function withoutCamera() {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wants) => {
    if (wants.video) throw new DOMException('none', 'NotFoundError');
    return real(wants);
  };
}

scene('a caller without a camera is heard on air', async (enters) => {
  const page = await enters('Ada', '', withoutCamera);
  await server.booth('caller', 'approve', (await called('Ada')).name);
  await server.booth('slot', 'take', '1', '--next', '--wait');
  await inState(page, 'on_air');
  const got = await server.pull(2);
  assertHeard(got);
  assertBlack(got);
});

scene('a camera turned off on air leaves the sound, and comes back', async (enters) => {
  const page = await enters('Ada');
  await server.booth('caller', 'approve', (await called('Ada')).name);
  await server.booth('slot', 'take', '1', '--next', '--wait');
  await inState(page, 'on_air');
  await page.click('#camera');
  const off = await eventually(async () => {
    const got = await server.pull(2);
    return got.green < 8 && got;
  }, 'the idle picture', 20_000);
  assertHeard(off);
  await inState(page, 'on_air');
  await page.click('#camera');
  const on = await eventually(async () => {
    const got = await server.pull(2);
    return got.green > 60 && got;
  }, 'the camera again', 20_000);
  assertCallerSeenAndHeard(on);
});

scene('a hostile name is only text, in the page and for the studio', async (enters) => {
  const page = await enters('<img src=x onerror=alert(1)>\u202e\u001b[31m', '<script>alert(2)</script>');
  const [caller] = await server.callers();
  assert.equal(caller.displayName, '<img src=x onerror=alert(1)>[31m');
  assert.equal(await page.locator('#who').innerText(), '<img src=x onerror=alert(1)>[31m · <script>alert(2)</script>');
  assert.equal(await page.evaluate(() => document.querySelectorAll('img').length), 0);
});

scene('a server killed while on air: SRT goes on, and the caller is back on air by themselves', async (enters) => {
  const page = await enters('Ada');
  const { name } = await called('Ada');
  await server.booth('caller', 'approve', name);
  await server.booth('slot', 'take', '1', '--next', '--wait');
  await inState(page, 'on_air');
  const units = await server.units();
  const judge = server.judge();
  try {
    await showing('SHOWING_CALLER');
    await new Promise((next) => setTimeout(next, 1000));
    await server.kill();
    await inState(page, 'lost');
    await server.start();
    await inState(page, 'on_air', 15_000);
    assert.equal((await called('Ada')).name, name);
    assert.deepEqual(await server.units(), units, 'the same workers go on');
    await showing('SHOWING_CALLER');
    assertCallerSeenAndHeard(await server.pull(3));
    assert.ok(judge.watching(), 'the first SRT connection is still there');
    await server.stop();
    const report = await judge.report();
    assert.equal(report.epochs_total, 1);
    assert.equal(report.transport.continuity_errors, 0);
    for (const stream of Object.values(report.streams)) {
      assert.equal(stream.pts.back_steps, 0, `${stream.kind} never goes back`);
      assert.equal(stream.dts.back_steps, 0);
    }
    assert.equal(report.pcr.steps.back_steps, 0);
    const broken = report.defects.map((d) => d.class).filter((c) => /pts|dts|pcr-back|reconnect|change|continuity|discontinuity/.test(c));
    assert.deepEqual(broken, []);
  } finally {
    judge.stop();
  }
});
