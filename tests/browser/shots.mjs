// Pictures of every screen, for the eye: `npm run shots [folder]`.

import { mkdirSync } from 'node:fs';
import { inState, launch, linked, person } from './chromium.mjs';
import { Stub, WAITING, mediaSide } from './stub.mjs';

const folder = process.argv[2] ?? 'shots';
mkdirSync(folder, { recursive: true });
const SIZES = {
  phone: { viewport: { width: 375, height: 667 }, deviceScaleFactor: 1, isMobile: true, hasTouch: true },
  desktop: { viewport: { width: 1280, height: 800 }, colorScheme: /** @type {const} */ ('dark') },
};

const browser = await launch();
try {
  for (const [size, options] of Object.entries(SIZES)) {
    const stub = await new Stub().start();
    const side = await mediaSide(browser, stub.url);
    stub.answer = side.answer;
    const { context, page, faults } = await person(browser, options);
    const shot = (name) => page.screenshot({ path: `${folder}/${size}-${name}.png`, fullPage: true });
    await page.goto(`${stub.url}/join/main#token`);
    await inState(page, 'start');
    await shot('01-start');
    if (await page.isVisible('#allow')) await page.click('#allow');
    await page.waitForSelector('#preview:not([hidden])');
    await page.waitForTimeout(700);
    await page.click('summary');
    await shot('02-preview');
    stub.refuse.set('/api/join', { status: 401, reason: 'INVITE_USED_UP' });
    await page.click('#join');
    await shot('03-noname');
    await page.fill('#name', 'Ada');
    await page.fill('#topic', 'Bees in the city');
    await page.click('#join');
    await page.waitForSelector('#start-problem:not([hidden])');
    await shot('04-usedup');
    stub.refuse.clear();
    stub.arrives = false;
    await page.click('#join');
    await inState(page, 'connecting');
    await shot('05-connecting');
    stub.arrives = true;
    stub.push({ ...WAITING, position: 2, waiting: 5 });
    await inState(page, 'waiting');
    await linked(page, 'up');
    await shot('06-waiting');
    stub.push({
      messages: [
        { at_ms: 1.7e12, from: 'studio', text: 'Hello Ada, can you turn on a lamp? We see you only as a shadow.' },
        { at_ms: 1.7e12 + 60e3, from: 'you', text: 'Better?' },
      ],
    });
    await page.waitForTimeout(200);
    await shot('07-messages');
    for (const [state, more] of [['screening', {}], ['ready', { position: 1 }], ['held', {}], ['on_air', { slot: '1', position: 0, video: 'full' }]]) {
      stub.push({ state, ...more });
      await inState(page, state);
      await shot(`08-${state}`);
    }
    await page.click('#mute');
    await page.click('#camera');
    await page.waitForTimeout(200);
    await shot('09-on_air-muted');
    await page.click('#leave');
    await shot('10-leave');
    await page.click('#stay');
    await stub.stop();
    await inState(page, 'lost');
    await shot('11-lost');
    await stub.start();
    await inState(page, 'on_air');
    stub.push({ state: 'ended', ended: { reason: 'rejected', note: 'We are out of time today. Call us next week!' } });
    await inState(page, 'ended');
    await shot('12-rejected');
    await page.goto('about:blank');
    await page.goto(`${stub.url}/join/main`);
    await page.waitForTimeout(300);
    await shot('13-noinvite');
    console.log(size, faults);
    await context.close();
    await side.close();
    await stub.stop();
  }
} finally {
  await browser.close();
}
