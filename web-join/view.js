// Draws the page from one model. It never changes the model; text that came from outside goes in as text, never as markup.

import { NONE } from './media.js';
import { bandWords, ON_SLOT, troubleWords } from './words.js';

/**
 * @typedef {{
 *   screen: "start" | "call" | "done", show: string,
 *   call: import('./session.js').Call | null, media: import('./media.js').Media | null,
 *   startProblem: import('./words.js').Words | null, joining: boolean,
 *   offer: import('./store.js').Saved | null,
 *   done: null | {state: string, words: import('./words.js').Words, said: string, button: string},
 *   callProblem: import('./words.js').Words | null, deaf: boolean
 * }} Model
 */

/** @template {HTMLElement} T @param {string} id @returns {T} */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

const picture = {
  preview: /** @type {HTMLVideoElement} */ (byId('preview')),
  none: byId('nopicture'),
  text: byId('nopicture-text'),
  allow: byId('allow'),
};
let lastScreen = '';
let lastBand = '';
let lastPlace = '';
let lastMessages = '';
let seenMessages = 0;
/** Whether the phone has shaken for this time on air: a production that cuts to and fro must not be heard in it. */
let shaken = false;

/** @param {Model} model */
export function draw(model) {
  const view = model.call?.view ?? null;
  const link = model.call?.link ?? 'none';
  const band = model.screen === 'call' ? bandWords(view, link === 'none' ? 'connecting' : link, sent(model.media)) : null;

  document.body.dataset.state = stateOf(model, band);
  document.body.dataset.link = link;
  setText(byId('show'), view?.show_title || model.show || 'Join the show');
  setText(byId('who'), model.screen === 'call' && view ? [view.name, view.topic].filter(Boolean).join(' · ') : '');
  byId('stage').hidden = model.screen === 'done' || !model.media;
  byId('start').hidden = model.screen !== 'start';
  byId('call').hidden = model.screen !== 'call';
  byId('done').hidden = model.screen !== 'done';

  drawBand(band);
  drawTitle(model, band);
  if (model.media) drawMedia(model);
  if (model.screen === 'start') drawStart(model);
  if (model.screen === 'call') drawCall(model, view);
  if (model.screen === 'done' && model.done) drawDone(model.done);
  speak(model, band, view);
  if (model.screen !== lastScreen) {
    const first = lastScreen === '';
    lastScreen = model.screen;
    // Whoever cannot see that the screen changed is taken to its heading.
    if (!first || model.screen === 'done') byId({ start: 'start-title', call: 'band-word', done: 'done-title' }[model.screen]).focus();
  }
}

/** What really goes out from here. @param {import('./media.js').Media | null} media */
const sent = (media) => ({ heard: Boolean(media?.track.audio) && !media?.muted, seen: Boolean(media?.track.video) });

/** @param {Model} model @param {{band: string} | null} band */
function stateOf(model, band) {
  if (model.screen === 'done') return model.done?.state ?? 'ended';
  return band ? band.band : 'start';
}

/** @param {ReturnType<typeof bandWords> | null} band */
function drawBand(band) {
  byId('band').hidden = !band;
  if (!band) return;
  byId('band').dataset.band = band.band;
  setText(byId('band-word'), band.word);
  setText(byId('band-text'), band.text);
}

const ICON_COLOURS = { on_air: '#d00020', preview: '#0a6b3d', ready: '#0a6b3d', lost: '#8a5a00' };

/** @param {Model} model @param {ReturnType<typeof bandWords> | null} band */
function drawTitle(model, band) {
  const show = model.call?.view?.show_title || model.show;
  const word = band ? (band.band === 'on_air' ? '🔴 ON AIR' : band.word) : (model.done?.words.title ?? 'Join');
  const title = show ? `${word} – ${show}` : word;
  if (document.title !== title) document.title = title;
  const colour = ICON_COLOURS[band?.band ?? ''] ?? '#33415c';
  const shape = band?.band === 'on_air' ? '<rect width="32" height="32"/>' : '<circle cx="16" cy="16" r="14"/>';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="${colour}">${shape}</g><circle cx="16" cy="16" r="6" fill="#fff"/></svg>`;
  const href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  const icon = byId('icon');
  if (icon.getAttribute('href') !== href) icon.setAttribute('href', href);
}

/** @param {Model} model */
function drawMedia(model) {
  const media = /** @type {import('./media.js').Media} */ (model.media);
  const video = media.track.video;
  const shown = /** @type {MediaStream | null} */ (picture.preview.srcObject)?.getVideoTracks()[0] ?? null;
  if (shown !== video) picture.preview.srcObject = video ? new MediaStream([video]) : null;
  picture.preview.hidden = !video;
  picture.none.hidden = Boolean(video);
  picture.allow.hidden = media.opened;
  setText(picture.text, noPictureText(media));

  toggle('mute', media.muted, media.muted ? 'Unmute microphone' : 'Mute microphone');
  toggle('camera', media.cameraOff || !video, media.cameraOff || !video ? 'Turn camera on' : 'Turn camera off');
  byId('mute').hidden = !media.track.audio;
  byId('camera').hidden = !media.opened || media.wanted.video === NONE;

  const notices = [];
  for (const kind of /** @type {const} */ (['audio', 'video'])) {
    const trouble = media.trouble[kind];
    if (trouble && media.wanted[kind] !== NONE) notices.push(troubleWords(kind, trouble));
  }
  byId('again').hidden = notices.length === 0;
  if (media.interrupted) notices.push('Your microphone is silenced by the system or by another app, maybe a phone call.');
  if (model.screen === 'call' && media.muted) notices.push('Your microphone is muted: nobody hears you.');
  setList(byId('notices'), notices, 'p', 'note warn');

  byId('devices').hidden = !media.opened;
  drawDevices('microphone', media, 'audio', 'No microphone (picture only)');
  drawDevices('cameras', media, 'video', 'No camera (sound only)');
}

/** @param {import('./media.js').Media} media */
function noPictureText(media) {
  if (!media.opened) return 'The browser will ask you to allow them. Nobody sees or hears you before you join.';
  if (media.wanted.video === NONE) return 'Sound only';
  return media.cameraOff ? 'Your camera is off' : 'No picture';
}

/** @param {string} id @param {import('./media.js').Media} media @param {import('./media.js').Kind} kind @param {string} none */
function drawDevices(id, media, kind, none) {
  const select = /** @type {HTMLSelectElement} */ (byId(id));
  const known = media.devices[kind].map((d, i) => [d.id, d.label || `${kind === 'audio' ? 'Microphone' : 'Camera'} ${i + 1}`]);
  const options = [...(known.length ? known : [['', 'Any']]), [NONE, none]];
  const stamp = JSON.stringify(options);
  if (select.dataset.stamp !== stamp) {
    select.dataset.stamp = stamp;
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
  }
  const now = media.wanted[kind] === NONE ? NONE : (media.track[kind]?.getSettings().deviceId ?? media.wanted[kind]);
  select.value = options.some(([value]) => value === now) ? now : (options[0]?.[0] ?? '');
}

/** @param {Model} model */
function drawStart(model) {
  setText(byId('start-title'), model.show ? `Join ${model.show}` : 'Join the show');
  byId('back-offer').hidden = !model.offer;
  if (model.offer) setText(byId('back-text'), `A call as “${model.offer.name}” is still open from this device.`);
  const button = /** @type {HTMLButtonElement} */ (byId('join'));
  // Not disabled: that would drop the focus.
  button.setAttribute('aria-disabled', String(model.joining));
  setText(button, model.joining ? 'Joining…' : 'Join');
  fillWords(byId('start-problem'), model.startProblem);
}

/** @param {Model} model @param {import('./api.js').CallView | null} view */
function drawCall(model, view) {
  fillWords(byId('call-problem'), model.callProblem);
  byId('hear').hidden = !model.deaf;
  const messages = view?.messages ?? [];
  byId('no-messages').hidden = messages.length > 0;
  byId('messages').hidden = messages.length === 0;
  const stamp = JSON.stringify(messages);
  if (stamp === lastMessages) return;
  lastMessages = stamp;
  const list = byId('messages');
  const rows = messages.map((message) => {
    const row = document.createElement('li');
    row.className = message.from === 'studio' ? 'studio' : 'you';
    const from = document.createElement('span');
    from.className = 'from';
    from.textContent = `${message.from === 'studio' ? 'Studio' : 'You'}, ${clock(message.at_ms)}`;
    const text = document.createElement('p');
    text.textContent = message.text;
    // Another language's direction stays inside its own bubble.
    text.dir = 'auto';
    row.append(from, text);
    return row;
  });
  // Rows that are there stay: a log that is filled anew would be read anew.
  const kept = sameHead(list, rows);
  while (list.children.length > kept) list.lastElementChild?.remove();
  list.append(...rows.slice(kept));
  list.scrollTop = list.scrollHeight;
}

/** @param {HTMLElement} list @param {HTMLElement[]} rows */
function sameHead(list, rows) {
  let same = 0;
  while (same < rows.length && list.children[same]?.textContent === rows[same].textContent) same++;
  return same;
}

/** @param {number} at_ms */
const clock = (at_ms) => new Date(at_ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

/** @param {NonNullable<Model["done"]>} done */
function drawDone(done) {
  fillWords(byId('done'), done.words);
  byId('done').hidden = false;
  setText(byId('done-title'), done.words.title);
  byId('done-said').hidden = !done.said;
  setText(byId('done-said'), done.said ? `The studio says: ${done.said}` : '');
  byId('done-button').hidden = !done.button;
  setText(byId('done-button'), done.button);
}

/** What a screen reader is told: going on and off air at once, the rest when there is a pause. @param {Model} model @param {ReturnType<typeof bandWords> | null} band @param {import('./api.js').CallView | null} view */
function speak(model, band, view) {
  const now = band?.band ?? '';
  const changed = now !== lastBand;
  const onSlot = ON_SLOT.includes(now);
  const wasOnSlot = ON_SLOT.includes(lastBand);
  const loud = onSlot || now === 'lost' || now === 'ready' || (wasOnSlot && now !== '');
  if (changed) {
    const words = band ? `${band.word}. ${band.text}` : '';
    // Out of the picture is not off air: one may still be heard.
    const off = wasOnSlot && !onSlot && now !== 'lost';
    setText(byId('assertive'), loud && words ? (off ? `You are off air. ${words}` : words) : '');
    setText(byId('polite'), loud ? '' : words);
    if (now === 'on_air' && !shaken) vibrate([300, 120, 300, 120, 600]);
    else if (now === 'ready') vibrate([200, 100, 200]);
    else if (shaken && !onSlot && wasOnSlot) vibrate([600]);
    shaken = onSlot && (shaken || now === 'on_air');
  } else if (band && lastPlace !== band.text) {
    setText(byId('polite'), band.text);
  }
  lastBand = now;
  lastPlace = band?.text ?? '';
  const studio = view?.messages.filter((m) => m.from === 'studio').length ?? 0;
  if (studio > seenMessages) vibrate([80]);
  seenMessages = model.screen === 'call' ? Math.max(studio, 0) : 0;
}

/** @param {number[]} pattern */
function vibrate(pattern) {
  // Chrome logs an error when nobody has touched the page yet.
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(pattern);
}

/** @param {import('./media.js').Media} media */
export function drawMeter(media) {
  const level = media.muted ? -60 : media.meter.level_dbfs();
  byId('meter-fill').style.clipPath = `inset(0 ${((-level / 60) * 100).toFixed(1)}% 0 0)`;
  byId('meter').setAttribute('aria-valuenow', String(Math.round(level)));
  const heard = level > -45;
  const words = media.muted ? 'Muted' : level > -3 ? 'Too loud' : heard ? 'We hear you' : 'Quiet';
  setText(byId('meter-text'), media.track.audio ? words : media.opened ? 'No microphone' : '');
  byId('meter').setAttribute('aria-valuetext', words);
}

/** @param {string} id @param {boolean} off @param {string} label */
function toggle(id, off, label) {
  const button = byId(id);
  // The label says what a press does; a pressed state beside it would say it twice, and the other way round.
  button.dataset.off = String(off);
  setText(/** @type {HTMLElement} */ (button.querySelector('.label')), label);
}

/** @param {HTMLElement} box @param {import('./words.js').Words | null} words */
function fillWords(box, words) {
  box.hidden = !words;
  const put = (/** @type {string} */ name, /** @type {string} */ text) => {
    const place = /** @type {HTMLElement | null} */ (box.querySelector(name));
    if (!place) return;
    setText(place, text);
    place.hidden = !text;
  };
  if (box.tagName !== 'SECTION') put('h2', words?.title ?? '');
  put('.text', words?.text ?? '');
  put('.todo', words?.todo ?? '');
}

/** @param {HTMLElement} box @param {string[]} texts @param {string} tag @param {string} className */
function setList(box, texts, tag, className) {
  const stamp = JSON.stringify(texts);
  if (box.dataset.stamp === stamp) return;
  box.dataset.stamp = stamp;
  box.replaceChildren(
    ...texts.map((text) => {
      const line = document.createElement(tag);
      line.className = className;
      line.textContent = text;
      return line;
    }),
  );
}

/** Writes only what differs: live regions read every write. @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
