// A headless Chromium with a fake camera and microphone. Nothing is downloaded: the system's browser is used.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  // Two pages of one machine find each other without multicast DNS.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--allow-loopback-in-peer-connection',
  // A tab behind another one is still a caller.
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
];

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** @param {{args?: string[], without?: string[]}} [how] */
export async function launch({ args = [], without = [] } = {}) {
  const executablePath = process.env.BOOTH_CHROMIUM ?? PLACES.find(existsSync);
  if (!executablePath) throw new Error('no Chromium found: apt-get install chromium, or set BOOTH_CHROMIUM');
  const flags = FLAGS.filter((flag) => !without.includes(flag));
  return chromium.launch({ executablePath, headless: true, args: [...flags, ...args] });
}

/** A fresh person: own storage, own permissions. Keeps what the page must never do. @param {import('playwright-core').Browser} browser @param {import('playwright-core').BrowserContextOptions} [options] */
export async function person(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  /** @type {string[]} */
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    // A refused or broken request is what many tests are about; the browser logs each.
    if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(text)) faults.push(`console: ${text}`);
  });
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return { context, page, faults };
}

/** Waits for the page's own word on where it is. @param {import('playwright-core').Page} page @param {string} state @param {number} [ms] */
export async function inState(page, state, ms = 20_000) {
  try {
    await page.waitForSelector(`body[data-state="${state}"]`, { timeout: ms });
  } catch {
    const now = await page.evaluate(() => `${document.body.dataset.state}/${document.body.dataset.link}: ${document.body.innerText}`);
    throw new Error(`the page is not ${state} but ${now}`);
  }
}

/** @param {import('playwright-core').Page} page @param {string} link @param {number} [ms] */
export async function linked(page, link, ms = 10_000) {
  await page.waitForSelector(`body[data-link="${link}"]`, { timeout: ms });
}
