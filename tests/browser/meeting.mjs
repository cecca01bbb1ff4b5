// One person in front of the page, with a stub of the server behind it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inState, launch, linked, person } from './chromium.mjs';
import { Stub, mediaSide } from './stub.mjs';

/** Call it inside a `describe`: its tests share a browser. */
export function meeting() {
  /** @type {import('playwright-core').Browser} */
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** Whatever the test, the page must not fault. */
  return function meets(name, options, body) {
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
        await body({ browser, stub, page, context, side, url: `${stub.url}/join/main#invite-token` });
        assert.deepEqual(faults, []);
      } finally {
        await context.close();
        await side?.close();
        await stub.stop();
      }
    });
  };
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

/** Through the start screen. */
export async function join(page, url, name = 'Ada') {
  await page.goto(url);
  await inState(page, 'start');
  await page.fill('#name', name);
  await page.click('#join');
}

/** Into the queue, with media up. */
export async function joined(stub, page, url, view = {}) {
  await join(page, url);
  await inState(page, 'waiting');
  await linked(page, 'up');
  stub.push(view);
}

export const text = (page, selector) => page.locator(selector).innerText();
/** Waits until the page's own function holds. */
export const until = (page, what, arg) => page.waitForFunction(what, arg, { timeout: 10_000, polling: 50 });
/** Waits until something on this side holds. */
export async function eventually(what, ms = 10_000) {
  const end = performance.now() + ms;
  while (!(await what())) {
    assert.ok(performance.now() < end, `never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
