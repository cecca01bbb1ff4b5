// The page for everybody: keyboard, screen reader, small screens; and nothing that a stranger's text could set off.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { inState, linked } from './chromium.mjs';
import { join, joined, meeting, text, until } from './meeting.mjs';

// Most of a test's time is waiting: three at a time share the browser.
describe('access', { concurrency: 3 }, () => {
  const meets = meeting();

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
      for (const [tally, band] of [['off', 'standby'], ['preview', 'preview'], ['program', 'on_air']]) {
        stub.push({ tally });
        await inState(page, band);
        await checkAccess(page, `${scheme} ${band}`);
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
