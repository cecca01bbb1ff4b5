// The callers' page against a stub of the server's door: what it says when something is the matter, and a call's screens.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inState, launch, linked, person } from './chromium.mjs';
import { eventually, join, joined, meeting, text, until } from './meeting.mjs';
import { Stub, WAITING } from './stub.mjs';

// Most of a test's time is waiting: three at a time share the browser.
describe('the callers’ page', { concurrency: 3 }, () => {
  const meets = meeting();

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

  meets('a join whose answer was lost is the same join when it is pressed again', {}, async ({ stub, page, url }) => {
    // Browsers repeat a request once by themselves when its connection breaks: that is the same join, too.
    stub.lose.add('/api/join');
    stub.refuse.set('/api/join', { status: 503, reason: 'STOPPING', detail: 'the server is stopping' });
    await join(page, url);
    await until(page, () => !document.querySelector('#start-problem').hidden);
    stub.refuse.delete('/api/join');
    await page.click('#join');
    await inState(page, 'waiting');
    const attempts = stub.seen.filter((s) => s.path === '/api/join').map((s) => JSON.parse(s.body).attempt);
    assert.ok(attempts.length >= 2);
    assert.equal(new Set(attempts).size, 1);
  });

  meets('a caller sees connected, place, ready, hold, ON AIR, off air and the end', {}, async ({ stub, page, url }) => {
    await joined(stub, page, url, { position: 2, waiting: 5 });
    const { attempt, ...join } = JSON.parse(stub.seen.find((s) => s.path === '/api/join').body);
    assert.deepEqual(join, { show: 'main', invite: 'invite-token', name: 'Ada', topic: '' });
    assert.match(attempt, /^[0-9a-f]{32}$/);
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

  meets('with a vMix, ON AIR is what it shows: preview is next, and out of the picture is told as such', {
    init: () => {
      globalThis.shakes = [];
      navigator.vibrate = (pattern) => globalThis.shakes.push(pattern.join()) > 0;
    },
  }, async ({ stub, page, url }) => {
    await joined(stub, page, url, { state: 'on_air', slot: '1', position: 0, video: 'full', tally: 'off' });
    await inState(page, 'standby');
    assert.equal(await text(page, '#band-word'), 'Stand by');
    assert.match(await text(page, '#band-text'), /not in the picture[^]*may be heard/);
    assert.doesNotMatch(await page.title(), /ON AIR/);
    stub.push({ tally: 'preview' });
    await inState(page, 'preview');
    assert.equal(await text(page, '#band-word'), 'You’re next');
    assert.match(await text(page, '#assertive'), /about to show you/);
    assert.doesNotMatch(await page.title(), /ON AIR/);
    stub.push({ tally: 'program' });
    await inState(page, 'on_air');
    assert.equal(await text(page, '#band-word'), 'ON AIR');
    assert.match(await page.title(), /ON AIR/);
    // A cut away and back: told, but it neither shakes the phone again nor says that nobody hears.
    stub.push({ tally: 'off' });
    await inState(page, 'standby');
    assert.doesNotMatch(await text(page, '#assertive'), /off air/);
    stub.push({ tally: 'program' });
    await inState(page, 'on_air');
    // vMix lost: on the slot counts as on air, as without one.
    stub.push({ tally: null });
    await inState(page, 'on_air');
    stub.push({ tally: 'off' });
    await inState(page, 'standby');
    stub.push({ state: 'held', slot: null, tally: null });
    await inState(page, 'held');
    assert.match(await text(page, '#assertive'), /You are off air/);
    assert.deepEqual(await page.evaluate(() => globalThis.shakes), ['300,120,300,120,600', '600']);
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
});
