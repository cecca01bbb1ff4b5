// Coming back: after a refresh, a lost network, a killed server, a closed tab.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { inState, linked } from './chromium.mjs';
import { eventually, join, joined, meeting, text } from './meeting.mjs';
import { mediaSide } from './stub.mjs';

// Most of a test's time is waiting: three at a time share the browser.
describe('coming back', { concurrency: 3 }, () => {
  const meets = meeting();

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

  meets('a full server is told and tried again, no sooner than it asks', { media: false }, async ({ browser, stub, page, url }) => {
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
});
