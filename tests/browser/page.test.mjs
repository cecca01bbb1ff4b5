// The callers' page against a stub of the server's door: words, coming back, access, and nothing that a stranger's text
// could set off.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inState, launch, linked, person } from './chromium.mjs';
import { Stub, WAITING, mediaSide } from './stub.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** One person in front of the page; whatever the test, the page must not fault. */
function meets(name, options, body) {
  test(name, async () => {
    const stub = await new Stub().start();
    const { context, page, faults } = await person(browser, options.browser);
    let side = null;
    try {
      await page.addInitScript(spies);
      if (options.init) await page.addInitScript(options.init);
      if (options.media !== false) {
        side = await mediaSide(browser, stub.url);
        stub.answer = side.answer;
      }
      await body({ stub, page, context, side, url: `${stub.url}/join/main#invite-token` });
      assert.deepEqual(faults, []);
    } finally {
      await context.close();
      await side?.close();
      await stub.stop();
    }
  });
}

/** Lets tests look at the page's connections. */
function spies() {
  globalThis.peers = [];
  const Real = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      globalThis.peers.push(this);
    }
  };
}

async function join(page, url, name = 'Ada') {
  await page.goto(url);
  await inState(page, 'start');
  await page.fill('#name', name);
  await page.click('#join');
}

async function joined(stub, page, url, view = {}) {
  await join(page, url);
  await inState(page, 'waiting');
  await linked(page, 'up');
  stub.push(view);
}

const text = (page, selector) => page.locator(selector).innerText();
/** Waits until the page's own function holds. */
const until = (page, what, arg) => page.waitForFunction(what, arg, { timeout: 10_000, polling: 50 });
/** Waits until something on this side holds. */
async function eventually(what, ms = 10_000) {
  const end = performance.now() + ms;
  while (!(await what())) {
    assert.ok(performance.now() < end, `never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

// Most of a test's time is waiting: three at a time share the browser.
describe('the callers’ page', { concurrency: 3 }, () => {
  // --- words --------------------------------------------------------------------------------------------------------

  meets('every refusal of a join is told in plain words, with what to do', { media: false }, async ({ stub, page, url }) => {
    const refusals = [
      [401, 'INVITE_UNKNOWN', /does not work/, /new one/],
      [401, 'INVITE_EXPIRED', /expired/, /new link/],
      [401, 'INVITE_USED_UP', /used already/, /new link/],
      [404, 'SHOW_NOT_FOUND', /no such show/, /link/],
      [409, 'SHOW_CLOSED', /no callers right now/, /later/],
      [429, 'SHOW_FULL', /lines are taken/, /Wait/],
      [503, 'SERVER_FULL', /server is full/, /Wait/],
      [429, 'RATE_LIMITED', /Too many tries/, /Wait a minute/],
      [503, 'STOPPING', /restarting/, /Wait/],
      [503, 'LEDGER_READ_ONLY', /cannot take new callers/, /later/],
      [400, 'SOMETHING_NEW', /did not work/, /SOMETHING_NEW/],
    ];
    await page.goto(url);
    await page.fill('#name', 'Ada');
    for (const [status, reason, title, todo] of refusals) {
      stub.refuse.set('/api/join', { status, reason, detail: `machine words for ${reason}` });
      await page.click('#join');
      await until(page, ([t]) => new RegExp(t).test(document.querySelector('#start-problem h2').textContent), [title.source]);
      assert.match(await text(page, '#start-problem .todo'), todo, reason);
      assert.equal(await page.getAttribute('#start-problem', 'role'), 'alert');
      await inState(page, 'start');
      assert.equal(await page.inputValue('#name'), 'Ada');
    }
    await stub.stop();
    await page.click('#join');
    await until(page, () => /cannot be reached/.test(document.querySelector('#start-problem h2').textContent));
  });

  meets('a link without its secret part says so', { media: false }, async ({ stub, page }) => {
    await page.goto(`${stub.url}/join/main`);
    await inState(page, 'problem');
    assert.match(await text(page, '#done-title'), /not complete/);
    assert.equal(await page.isVisible('#join'), false);
  });

  meets('a browser without WebRTC is told to use another one', { media: false, init: () => delete globalThis.RTCPeerConnection }, async ({ page, url }) => {
    await page.goto(url);
    await inState(page, 'problem');
    assert.match(await text(page, '#done'), /Chrome, Edge, Firefox or Safari/);
  });

  test('a page that is not a secure context explains https and localhost', async () => {
    const other = await launch({ args: ['--host-resolver-rules=MAP booth.test 127.0.0.1'] });
    const stub = await new Stub().start();
    try {
      const { page } = await person(other);
      await page.goto(`${stub.url.replace('127.0.0.1', 'booth.test')}/join/main#invite-token`);
      await inState(page, 'problem');
      assert.match(await text(page, '#done'), /https:\/\//);
      assert.match(await text(page, '#done'), /localhost/);
    } finally {
      await other.close();
      await stub.stop();
    }
  });

  /** Devices that are missing or not allowed. */
  function lacking({ audio, video }) {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wants) => {
      if (wants.audio && audio) throw new DOMException('no', audio);
      if (wants.video && video) throw new DOMException('no', video);
      return real(wants);
    };
  }
  const without = (what) => `(${lacking})(${JSON.stringify(what)})`;

  for (const [name, words] of [['NotAllowedError', /camera is not allowed/], ['NotFoundError', /No camera was found/], ['NotReadableError', /in use by another app/]]) {
    meets(`without a camera (${name}) the caller joins with sound only`, { init: without({ video: name }) }, async ({ stub, page, url }) => {
      await joined(stub, page, url);
      assert.match(await text(page, '#notices'), words);
      const sending = await page.evaluate(() => globalThis.peers.at(-1).getSenders().map((s) => s.track?.kind ?? null));
      assert.deepEqual(sending, ['audio', null]);
    });
  }

  for (const [name, words] of [['NotAllowedError', /microphone is not allowed/], ['NotFoundError', /No microphone was found/]]) {
    meets(`without a microphone (${name}) joining needs a decision, and picture only works`, { init: without({ audio: name }) }, async ({ stub, page, url }) => {
      await join(page, url);
      await until(page, () => !document.querySelector('#start-problem').hidden);
      assert.match(await text(page, '#start-problem'), /No microphone \(picture only\)/);
      assert.match(await text(page, '#notices'), words);
      assert.equal(stub.count('POST', '/api/join'), 0);
      assert.equal(await page.isVisible('#mute'), false);
      await page.selectOption('#microphone', 'none');
      await page.click('#join');
      await inState(page, 'waiting');
      assert.equal(await page.evaluate(() => globalThis.peers.at(-1).getSenders().filter((s) => s.track).length), 1);
    });
  }

  // --- a call -------------------------------------------------------------------------------------------------------

  meets('a caller sees connected, place, ready, hold, ON AIR, off air and the end', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url, { position: 2, waiting: 5 });
    const join = JSON.parse(stub.seen.find((s) => s.path === '/api/join').body);
    assert.deepEqual(join, { show: 'main', invite: 'invite-token', name: 'Ada', topic: '' });
    await until(page, () => document.querySelector('#band-text').textContent.includes('You are 2nd of 5'));
    assert.equal(await text(page, '#band-word'), 'You’re connected');
    stub.push({ position: 11, waiting: 23 });
    await until(page, () => document.querySelector('#polite').textContent.includes('You are 11th of 23'));
    stub.push({ state: 'screening' });
    await inState(page, 'screening');
    stub.push({ state: 'ready', position: 1 });
    await inState(page, 'ready');
    assert.match(await text(page, '#band'), /Get ready[^]*You’re next/);
    stub.push({ state: 'held' });
    await inState(page, 'held');
    assert.match(await text(page, '#band'), /On hold/);
    const icon = await page.getAttribute('#icon', 'href');
    stub.push({ state: 'on_air', slot: '1', position: 0, video: 'full' });
    await inState(page, 'on_air');
    assert.equal(await text(page, '#band-word'), 'ON AIR');
    assert.match(await page.title(), /ON AIR/);
    assert.notEqual(await page.getAttribute('#icon', 'href'), icon);
    assert.match(await text(page, '#assertive'), /ON AIR\. You are live/);
    const band = await page.locator('#band').boundingBox();
    assert.equal(band.width, page.viewportSize().width);
    stub.push({ muted: true });
    await until(page, () => /studio has muted you/.test(document.querySelector('#band-text').textContent));
    stub.push({ state: 'ready', position: 1, slot: null, muted: false });
    await inState(page, 'ready');
    assert.match(await text(page, '#assertive'), /off air/);
    stub.push({ state: 'ended', ended: { reason: 'completed', note: '' } });
    await inState(page, 'ended');
    assert.match(await text(page, '#done'), /Thank you/);
    assert.equal(await page.evaluate(() => document.querySelector('#preview').srcObject), null, 'the camera is let go');
  });

  for (const [reason, words] of [['dropped', /studio has ended/], ['rejected', /cannot take your call[^]*Full tonight/], ['lost', /was lost/], ['left', /have left/]]) {
    meets(`an end by "${reason}" is told, with the way to call again`, {}, async ({ stub, page, url }) => {
      await joined(stub, page, url, { state: 'ended', ended: { reason, note: reason === 'rejected' ? 'Full tonight' : '' } });
      await inState(page, 'ended');
      assert.match(await text(page, '#done'), words);
      stub.view = { ...WAITING, connected: false, state: 'joining' };
      await page.click('#done-button');
      await inState(page, 'start');
      assert.equal(await page.inputValue('#name'), 'Ada');
      await page.click('#join');
      await inState(page, 'waiting');
      assert.equal(stub.count('POST', '/api/join'), 2);
    });
  }

  meets('the studio is heard, and a browser that refuses sound gets a button', {
    init: () => {
      const real = HTMLMediaElement.prototype.play;
      let refused = false;
      HTMLMediaElement.prototype.play = function play() {
        if (refused || !this.srcObject || this.id !== 'return') return real.call(this);
        refused = true;
        return Promise.reject(new DOMException('not allowed', 'NotAllowedError'));
      };
    },
  }, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    await page.waitForSelector('#hear:not([hidden])');
    await page.click('#hear');
    await page.waitForSelector('#hear', { state: 'hidden' });
    await until(page, () => document.querySelector('#return').currentTime > 0.2);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'band-word');
  });

  meets('video follows the server’s word, also in a session made anew', {}, async ({ stub, page, url }) => {
    const encoding = () => page.evaluate(() => {
      const video = globalThis.peers.at(-1).getTransceivers().find((t) => t.receiver.track.kind === 'video');
      const { scaleResolutionDownBy, maxFramerate, maxBitrate } = video.sender.getParameters().encodings[0];
      return [scaleResolutionDownBy, maxFramerate, maxBitrate].join('/');
    });
    await joined(stub, page, url);
    assert.equal(await encoding(), '4/5/60000');
    stub.push({ video: 'full' });
    await eventually(async () => (await encoding()) === '1/30/2500000');
    await page.click('#camera');
    await page.click('#camera');
    await until(page, () => globalThis.peers.at(-1).getSenders()[1].track);
    assert.equal(await encoding(), '1/30/2500000');
    stub.push({ connected: false });
    await eventually(() => stub.count('POST', '/whip/shows/') === 2);
    await linked(page, 'up');
    assert.equal(await encoding(), '1/30/2500000');
    stub.push({ video: 'low' });
    await eventually(async () => (await encoding()) === '4/5/60000');
  });

  meets('mute and camera act on what is sent, and survive a refresh', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    const sending = () => page.evaluate(() => {
      const [audio, video] = globalThis.peers.at(-1).getSenders();
      return [audio.track?.enabled, Boolean(video.track)];
    });
    assert.deepEqual(await sending(), [true, true]);
    await page.click('#mute');
    await page.click('#camera');
    assert.deepEqual(await sending(), [false, false]);
    assert.match(await text(page, '#notices'), /muted/);
    await page.reload();
    await inState(page, 'waiting');
    assert.match(await text(page, '#mute'), /Unmute/);
    assert.deepEqual(await sending(), [false, false]);
    await page.click('#mute');
    await page.click('#camera');
    await until(page, () => globalThis.peers.at(-1).getSenders()[1].track);
    assert.deepEqual(await sending(), [true, true]);
  });

  meets('a microphone that goes away is taken up again', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    const before = await page.evaluate(() => {
      const { track } = globalThis.peers.at(-1).getSenders()[0];
      track.stop();
      track.dispatchEvent(new Event('ended'));
      return track.id;
    });
    await until(page, (id) => {
      const { track } = globalThis.peers.at(-1).getSenders()[0];
      return track && track.id !== id && track.readyState === 'live';
    }, before);
    assert.equal(stub.count('POST', '/whip/shows/'), 1, 'no new session is needed');
  });

  meets('answers go to the studio, and one that did not get through stays', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url, { messages: [{ at_ms: 1.7e12, from: 'studio', text: 'Which town?' }] });
    await until(page, () => document.querySelector('#messages').innerText.includes('Which town?'));
    assert.equal(await page.getAttribute('#messages', 'role'), 'log');
    await page.fill('#text', 'Graz');
    await page.keyboard.press('Enter');
    await until(page, () => document.querySelectorAll('#messages li').length === 2);
    assert.equal(await page.inputValue('#text'), '');
    stub.refuse.set('/api/call/chat', { status: 503, reason: 'LEDGER_READ_ONLY' });
    await page.fill('#text', 'in Austria');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#answer-error:not([hidden])');
    assert.equal(await page.inputValue('#text'), 'in Austria');
  });

  meets('only the leave button leaves, after a question', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    await page.click('#leave');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'stay');
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'leave');
    await inState(page, 'waiting');
    await page.click('#leave');
    await page.click('#really');
    await inState(page, 'ended');
    await eventually(() => stub.count('POST', '/api/call/leave') === 1 && stub.count('DELETE', '/whip/sessions/') === 1);
    await page.reload();
    await inState(page, 'start');
  });

  // --- coming back --------------------------------------------------------------------------------------------------

  meets('a refresh keeps the place and tells the server that the old media ends', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url, { position: 2, waiting: 3 });
    await page.reload();
    await inState(page, 'waiting');
    assert.equal(stub.count('POST', '/api/join'), 1, 'the link is not used again');
    assert.equal(stub.count('POST', '/api/rejoin'), 1);
    assert.equal(stub.count('DELETE', '/whip/sessions/'), 1);
    assert.equal(stub.count('POST', '/api/call/leave'), 0);
    assert.equal(stub.seen.find((s) => s.path === '/api/rejoin').bearer, 'rejoin-token');
    assert.ok(stub.seen.every((s) => !s.path.includes('token')), 'no secret in an address');
  });

  meets('a killed server is waited for, and the caller is on air again within seconds', {}, async ({ stub, page, side, url }) => {
    await joined(stub, page, url, { state: 'on_air', slot: '1', video: 'full' });
    await inState(page, 'on_air');
    await stub.stop();
    await side.kill();
    await inState(page, 'lost');
    assert.match(await text(page, '#band'), /may still be on air/);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    // It knows the call, but has no media.
    stub.view = { ...stub.view, connected: false };
    const start = performance.now();
    await stub.start();
    await inState(page, 'on_air');
    assert.ok(performance.now() - start < 6000, `back after ${performance.now() - start} ms`);
    assert.equal(stub.count('POST', '/api/join'), 1);
  });

  meets('a server that went silent is noticed by its silence', {}, async ({ stub, page, side, url }) => {
    await joined(stub, page, url);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    // Gone without a word: neither a closed stream nor a failed connection tells of it at once.
    const start = performance.now();
    await side.kill();
    await eventually(() => stub.count('POST', '/whip/shows/') === 2);
    assert.ok(performance.now() - start < 9000);
    await linked(page, 'up');
  });

  meets('views that break off cost no media session', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    stub.refuse.set('/api/call/events', { status: 502, reason: 'PROXY' });
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await linked(page, 'lost');
    stub.refuse.clear();
    await linked(page, 'up');
    assert.equal(stub.count('POST', '/whip/shows/'), 1);
  });

  meets('media that does not arrive is sent anew', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    stub.push({ connected: false });
    await linked(page, 'lost');
    await eventually(() => stub.count('POST', '/whip/shows/') === 2);
    await linked(page, 'up');
  });

  meets('a stream without beats is opened anew', {}, async ({ stub, page, url }) => {
    await page.clock.install();
    await joined(stub, page, url);
    stub.beats = false;
    assert.equal(stub.count('GET', '/api/call/events'), 1);
    await page.clock.fastForward(13_000);
    await eventually(() => stub.count('GET', '/api/call/events') >= 2);
  });

  meets('the network coming back is used at once', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    await stub.stop();
    await linked(page, 'lost');
    // By now the waits between tries are long.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await stub.start();
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await eventually(() => stub.streams === 1, 1500);
  });

  meets('a full server is told and tried again, no sooner than it asks', { media: false }, async ({ stub, page, url }) => {
    await join(page, url);
    await inState(page, 'connecting');
    await page.waitForSelector('#call-problem:not([hidden])');
    assert.match(await text(page, '#call-problem'), /server is full[^]*goes on trying/);
    const start = performance.now();
    const before = stub.count('POST', '/whip/shows/');
    const side = await mediaSide(browser, stub.url);
    await eventually(() => stub.count('POST', '/whip/shows/') >= before + 2);
    const tries = stub.count('POST', '/whip/shows/') - before;
    const most = 1 + (performance.now() - start) / 1000;
    stub.answer = side.answer;
    await inState(page, 'waiting');
    assert.equal(await page.isVisible('#call-problem'), false);
    assert.ok(tries <= most, `${tries} tries, at most ${most}`);
    await side.close();
  });

  meets('a place that was given up meanwhile is told after a refresh', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    stub.refuse.set('/api/rejoin', { status: 401, reason: 'REJOIN_UNKNOWN' });
    stub.refuse.set('/api/call/events', { status: 401, reason: 'REJOIN_UNKNOWN' });
    await page.reload();
    await inState(page, 'ended');
    assert.match(await text(page, '#done'), /away for too long/);
    stub.refuse.clear();
    await page.reload();
    await inState(page, 'start');
  });

  meets('a second tab leaves the call alone until it is told to take it', {}, async ({ stub, page, context, url }) => {
    await joined(stub, page, url);
    const kept = await page.evaluate(() => ({ ...sessionStorage }));
    const copy = await context.newPage();
    await copy.addInitScript((kept) => Object.assign(sessionStorage, kept), kept);
    await copy.goto(url);
    await inState(copy, 'problem');
    assert.match(await text(copy, '#done-title'), /another tab/);
    assert.equal(stub.count('POST', '/whip/shows/'), 1);
    await copy.click('#done-button');
    await inState(copy, 'waiting');
    await inState(page, 'problem');
    assert.match(await text(page, '#done-title'), /another tab/);
  });

  meets('a closed tab’s call is offered to the next one, not forced on it', {}, async ({ stub, page, context, url }) => {
    await joined(stub, page, url);
    await page.close();
    const next = await context.newPage();
    await next.goto(url);
    await inState(next, 'start');
    assert.match(await text(next, '#back-offer'), /Ada/);
    await next.click('#back');
    await inState(next, 'waiting');
    assert.equal(stub.count('POST', '/api/join'), 1);
  });

  meets('waits double from 0.25 s to 5 s with chance in them', { media: false }, async ({ page, url }) => {
    await page.goto(url);
    const waits = await page.evaluate(async () => {
      const { backoffMs } = await import('/assets/backoff.js');
      const row = (random) => [0, 1, 2, 3, 4, 5, 50].map((n) => backoffMs(n, undefined, () => random));
      return { shortest: row(0), longest: row(1), hasty: backoffMs(9, 1000, () => 1) };
    });
    assert.deepEqual(waits.longest, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    assert.deepEqual(waits.shortest, [125, 250, 500, 1000, 2000, 2500, 2500]);
    assert.equal(waits.hasty, 1000);
  });

  meets('events cut anywhere are put together again', { media: false }, async ({ page, url }) => {
    await page.goto(url);
    const got = await page.evaluate(async () => {
      const { EventParser } = await import('/assets/api.js');
      const stream = 'event: call\r\ndata: {"a":\r\ndata: 1}\r\n\r\n: beat\n\nevent: call\ndata: 2\n\ndata: 3\n\n';
      const whole = [];
      for (let size = 1; size < stream.length; size++) {
        const events = [];
        const parser = new EventParser((name, data) => events.push([name, data]));
        for (let i = 0; i < stream.length; i += size) parser.push(stream.slice(i, i + size));
        whole.push(JSON.stringify(events));
      }
      return [...new Set(whole)];
    });
    assert.deepEqual(got, [JSON.stringify([['call', '{"a":\n1}'], ['call', '2'], ['message', '3']])]);
  });

  // --- strangers' text ----------------------------------------------------------------------------------------------

  meets('names, titles, notes and messages from outside stay text', {}, async ({ stub, page, url }) => {
    const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>"\'><a href="javascript:alert(3)">x</a>';
    await joined(stub, page, url, {
      name: evil,
      topic: evil,
      show_title: evil,
      messages: [{ at_ms: 1.7e12, from: 'studio', text: evil }, { at_ms: 1.7e12, from: evil, text: 'x'.repeat(5000) }],
    });
    await until(page, () => document.querySelectorAll('#messages li').length === 2);
    assert.equal(await text(page, '#messages li:first-child p'), evil);
    assert.equal(await text(page, '#show'), evil);
    assert.equal(await page.evaluate(() => document.querySelectorAll('img, a, script:not([src="/assets/join.js"])').length), 0);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, 'a long word does not widen the page');
    stub.push({ state: 'ended', ended: { reason: 'rejected', note: evil } });
    await inState(page, 'ended');
    assert.ok((await text(page, '#done-said')).includes(evil));
  });

  meets('views without sense do not end the call', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url, { state: 'made_up', position: -3, waiting: 0, video: 'huge' });
    stub.push({ state: 'waiting', position: 1, waiting: 1, video: 'low' });
    await inState(page, 'waiting');
    await linked(page, 'up');
  });

  // --- access -------------------------------------------------------------------------------------------------------

  meets('the start screen works by keyboard alone, and Enter joins', {}, async ({ page, url }) => {
    await page.goto(url);
    await inState(page, 'start');
    await page.waitForSelector('#preview:not([hidden])').catch(() => {});
    const visited = [];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      const id = await page.evaluate(() => document.activeElement.id || document.activeElement.localName);
      if (id === 'body') break;
      visited.push(id);
      if (id !== 'body') {
        const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(ring, 'none', `the focus on ${id} is seen`);
      }
    }
    const order = ['name', 'topic', 'join'].map((id) => visited.indexOf(id));
    assert.ok(order.every((at) => at >= 0) && order[0] < order[1] && order[1] < order[2], visited.join(' '));
    await page.focus('#name');
    await page.keyboard.press('Enter');
    assert.equal(await page.getAttribute('#name', 'aria-invalid'), 'true');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'name');
    await page.keyboard.type('Ada');
    await page.keyboard.press('Enter');
    await inState(page, 'waiting');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'band-word', 'the focus follows to the new screen');
  });

  meets('going on air does not take the focus from the answer box', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url);
    await page.focus('#text');
    await page.keyboard.type('Hel');
    stub.push({ state: 'on_air', slot: '1' });
    await inState(page, 'on_air');
    await page.keyboard.type('lo');
    assert.equal(await page.inputValue('#text'), 'Hello');
  });

  for (const scheme of ['light', 'dark']) {
    meets(`phone, ${scheme}: names, targets, contrast, no sideways scrolling`, {
      // As a browser that will ask first.
      init: () => {
        navigator.permissions.query = async () => ({ state: 'prompt' });
      },
      browser: { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true, colorScheme: scheme, reducedMotion: 'reduce' },
    }, async ({ stub, page, url }) => {
      await page.goto(url);
      await inState(page, 'start');
      assert.equal(await page.isVisible('#allow'), true);
      await checkAccess(page, `${scheme} before asking`);
      await page.click('#allow');
      await until(page, () => document.activeElement.id === 'name');
      await checkAccess(page, `${scheme} start`);
      await join(page, url);
      await inState(page, 'waiting');
      for (const state of ['waiting', 'ready', 'held', 'on_air']) {
        stub.push({ state, messages: [{ at_ms: 1.7e12, from: 'studio', text: 'Hi' }, { at_ms: 1.7e12, from: 'you', text: 'Yes' }] });
        await inState(page, state);
        await checkAccess(page, `${scheme} ${state}`);
      }
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.sign')).animationName), 'none');
      await stub.stop();
      await inState(page, 'lost');
      await checkAccess(page, `${scheme} lost`);
    });
  }
});

/** What every screen owes to people who do not see it, hit it badly, or see it badly. */
async function checkAccess(page, where) {
  const wrong = await page.evaluate(() => {
    const wrong = [];
    const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().width > 1;
    const name = (e) =>
      e.getAttribute('aria-label') || e.labels?.[0]?.textContent.trim() || (e.localName !== 'input' && e.textContent.trim()) ||
      (e.getAttribute('aria-labelledby') && document.getElementById(e.getAttribute('aria-labelledby'))?.textContent);
    for (const e of [...document.querySelectorAll('button, input, select, summary, video, [role]')].filter(seen)) {
      const box = e.getBoundingClientRect();
      for (let at = e.parentElement; at && at !== document.body; at = at.parentElement) {
        const around = at.getBoundingClientRect();
        const cut = box.bottom > around.bottom + 1 || box.right > around.right + 1 || box.top < around.top - 1;
        if (cut && !at.closest('#messages, .unseen')) wrong.push(`${e.id || e.localName} sticks out of ${at.id || at.className}`);
      }
      if (!name(e) && !['status', 'alert'].includes(e.getAttribute('role'))) wrong.push(`no name: ${e.id || e.localName}`);
      if (!e.matches('button, input, select, summary')) continue;
      const { width, height } = e.getBoundingClientRect();
      if (width < 44 || height < 43.5) wrong.push(`small: ${e.id || e.localName} ${width}x${height}`);
    }
    if ([...document.querySelectorAll('h1')].filter(seen).length !== 1) wrong.push('not one heading of the first rank');
    if (!document.documentElement.lang) wrong.push('no language');
    if (!document.title) wrong.push('no title');
    if (document.documentElement.scrollWidth > innerWidth) wrong.push(`wide: ${document.documentElement.scrollWidth}`);
    const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
    if (new Set(ids).size !== ids.length) wrong.push('an id twice');
    for (const [id, role] of [['polite', 'status'], ['assertive', 'alert']]) {
      const region = document.getElementById(id);
      if (region.getAttribute('role') !== role || !region.checkVisibility()) wrong.push(`live region ${id}`);
    }
    // WCAG 2.2, 1.4.3: 4.5 to 1.
    const rgb = (css) => css.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = (e) => {
      for (let at = e; at; at = at.parentElement) {
        const colour = rgb(getComputedStyle(at).backgroundColor);
        if (colour.length < 4 || colour[3] === 1) return colour;
        if (getComputedStyle(at).backgroundImage !== 'none') return null;
      }
      return [255, 255, 255];
    };
    for (const e of [...document.querySelectorAll('h1, h2, p, label, button, summary, span, input, select')].filter(seen)) {
      if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest('.unseen')) continue;
      const under = ground(e);
      if (!under) continue;
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(under)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}: ${e.id || e.className || e.localName} "${e.textContent.slice(0, 20)}"`);
    }
    return wrong;
  });
  assert.deepEqual(wrong, [], where);
}
