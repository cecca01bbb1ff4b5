// The callers' page: from the link to the call and back. Holds the one model, and hands what people do to the rooms.

import { Problem, join } from './api.js';
import { Awake, Media, NONE, unsupported } from './media.js';
import { Call } from './session.js';
import { attemptOf, claim, forget, forgetAttempt, orphan, own, save } from './store.js';
import { byId, draw, drawMeter } from './view.js';
import { NEED_ANYTHING, NEED_MICROPHONE, NEED_NAME, endWords, problemWords } from './words.js';

/** @typedef {import('./store.js').Saved} Saved */

const show = decodeURIComponent(location.pathname.match(/^\/join\/([^/]+)/)?.[1] ?? 'main');
const invite = decodeURIComponent(location.hash.slice(1));
const METER_MS = 66;

/** @type {import('./view.js').Model} */
const model = {
  screen: 'start',
  show: show === 'main' ? '' : show,
  call: null,
  media: null,
  startProblem: null,
  joining: false,
  offer: null,
  done: null,
  callProblem: null,
  deaf: false,
};
/** @type {Saved | null} */
let saved = null;
/** @type {Awake} */
let awake;
/** What the button of the last screen does. */
let again = () => location.reload();
const sound = /** @type {HTMLAudioElement} */ (byId('return'));

let drawing = false;
/** Many changes of one moment are one drawing. A hidden page draws too: its title says ON AIR. */
function changed() {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    model.callProblem = callProblem();
    draw(model);
  });
}

/** What stands in the way of a call that goes on trying. */
function callProblem() {
  const problem = model.call?.problem ?? model.call?.publisher.problem;
  if (!problem || model.call?.link === 'up') return null;
  if (problem.reason === 'SERVER_FULL' || problem.reason === 'RATE_LIMITED') {
    return { ...problemWords(problem.reason), todo: 'Keep this page open: it goes on trying by itself.' };
  }
  // One failed try is nothing yet to worry anybody with.
  if (problem.reason === 'PEER' && model.call && !model.call.wasUp) return problemWords('PEER');
  return null;
}

/** @param {string} reason @param {string} [detail] @param {string} [button] */
function stop(reason, detail, button = '') {
  model.screen = 'done';
  model.done = { state: 'problem', words: problemWords(reason, detail), said: '', button };
  changed();
}

async function begin() {
  addEventListener('hashchange', () => location.reload());
  const lacking = unsupported();
  if (lacking) return stop(lacking);
  const media = new Media({
    changed,
    replaced: (kind, track) => model.call?.publisher.setTrack(kind, track),
  });
  model.media = media;
  awake = new Awake();
  setInterval(() => drawMeter(media), METER_MS);
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, () => media.meter.wake());

  const mine = own(show);
  if (mine) return resume(mine);
  if (!invite) return stop('NO_INVITE');
  model.offer = await orphan(show);
  changed();
  if (await media.allowedAlready()) await media.open();
}

/** @param {Saved} call @param {boolean} [steal] */
async function resume(call, steal = false) {
  const media = /** @type {Media} */ (model.media);
  const free = await claim(call.caller, { steal, lost: elsewhere });
  if (!free) return notHere(call);
  saved = call;
  media.wanted = { audio: call.audio, video: call.video };
  media.muted = call.muted;
  media.cameraOff = call.cameraOff;
  model.offer = null;
  enter(null);
  await media.open();
}

/** Another tab has taken the call over. */
function elsewhere() {
  const call = saved;
  model.call?.pause();
  if (call) notHere(call);
}

/** @param {Saved} call */
function notHere(call) {
  release();
  again = () => {
    model.screen = 'start';
    model.done = null;
    void resume(call, true);
  };
  stop('elsewhere', '', 'Bring the call here');
}

async function submit() {
  const media = /** @type {Media} */ (model.media);
  const name = /** @type {HTMLInputElement} */ (byId('name'));
  const topic = /** @type {HTMLInputElement} */ (byId('topic'));
  if (model.joining) return;
  const missing = !name.value.trim();
  byId('name-error').hidden = !missing;
  byId('name-error').textContent = missing ? NEED_NAME : '';
  name.setAttribute('aria-invalid', String(missing));
  if (missing) return name.focus();
  model.joining = true;
  model.startProblem = null;
  changed();
  // This is the press that browsers want before a page may make a sound.
  sound.play().catch(() => {});
  try {
    if (!media.opened) await media.open();
    const lacks = lacking(media);
    if (lacks) {
      byId('devices').setAttribute('open', '');
      model.startProblem = { title: 'You cannot join yet', text: lacks, todo: '' };
      return;
    }
    const who = { show, invite, name: name.value.trim(), topic: topic.value.trim() };
    const joined = await join({ ...who, attempt: attemptOf(who) });
    saved = {
      show,
      caller: joined.caller,
      rejoin: joined.rejoin ?? '',
      whip: joined.whip,
      name: who.name,
      topic: who.topic,
      savedAt: 0,
      ...choices(media),
    };
    save(saved);
    forgetAttempt();
    void claim(saved.caller, { lost: elsewhere });
    enter(joined.ice_servers ?? []);
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem('PAGE', 0, String(error));
    model.startProblem = problemWords(problem.reason, problem.message);
  } finally {
    model.joining = false;
    changed();
  }
}

/** @param {Media} media */
function lacking(media) {
  if (media.track.audio) return '';
  if (media.wanted.audio !== NONE) return NEED_MICROPHONE;
  return media.track.video ? '' : NEED_ANYTHING;
}

/** @param {Media} media */
const choices = (media) => ({
  audio: media.wanted.audio,
  video: media.wanted.video,
  muted: media.muted,
  cameraOff: media.cameraOff,
});

/** @param {RTCIceServer[] | null} ice */
function enter(ice) {
  const media = /** @type {Media} */ (model.media);
  const call = new Call({ saved: /** @type {Saved} */ (saved), ice, on: { changed, heard, over } });
  model.call = call;
  model.screen = 'call';
  model.startProblem = null;
  call.publisher.setTrack('audio', media.track.audio);
  call.publisher.setTrack('video', media.track.video);
  call.start();
  awake.set(true);
  byId('devices').removeAttribute('open');
  changed();
}

/** The call has ended, or cannot go on. */
function over() {
  const { view, problem } = model.call ?? {};
  if (view?.state === 'ended' && view.ended) {
    finish(endWords(view.ended.reason), view.ended.note, 'ended');
  } else if (problem) {
    finish(problemWords(problem.reason, problem.message), '', problem.reason === 'REJOIN_UNKNOWN' || problem.reason === 'CALLER_ENDED' ? 'ended' : 'problem');
  }
}

/** @param {import('./words.js').Words} words @param {string} said @param {string} state */
function finish(words, said, state) {
  if (saved) forget(saved);
  release();
  again = () => {
    model.screen = 'start';
    model.done = null;
    /** @type {HTMLInputElement} */ (byId('name')).value ||= saved?.name ?? '';
    saved = null;
    changed();
  };
  model.screen = 'done';
  // Whether the link still lets somebody in, only the server knows; without one there is nothing to try.
  model.done = { state, words, said, button: invite ? 'Call again' : '' };
  changed();
}

/** Lets go of camera, microphone, sound and screen. */
function release() {
  model.call = null;
  model.deaf = false;
  model.media?.close();
  if (model.media) model.media.opened = false;
  sound.srcObject = null;
  awake.set(false);
  /** @type {HTMLDialogElement} */ (byId('sure')).close();
}

/** @param {MediaStream} stream */
function heard(stream) {
  sound.srcObject = stream;
  play();
}

function play() {
  return sound.play().then(
    () => setDeaf(false),
    // Superseded by a newer stream is no refusal.
    (error) => error.name === 'NotAllowedError' && setDeaf(true),
  );
}

/** @param {boolean} deaf */
function setDeaf(deaf) {
  model.deaf = deaf;
  changed();
}

async function leaveCall() {
  const call = model.call;
  if (!call) return;
  finish(endWords('left'), '', 'ended');
  // Said again until heard: otherwise the place would stay taken, and the studio would wait.
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      return await call.leave();
    } catch (error) {
      if (!(error instanceof Problem) || !error.passing) return;
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
    }
  }
}

async function sendAnswer() {
  const field = /** @type {HTMLInputElement} */ (byId('text'));
  const text = field.value.trim();
  const error = byId('answer-error');
  error.hidden = true;
  if (!text || !model.call) return;
  try {
    await model.call.say(text);
    if (field.value.trim() === text) field.value = '';
  } catch (problem) {
    const slow = problem instanceof Problem && problem.reason === 'RATE_LIMITED';
    error.textContent = slow ? 'That was a lot at once. Wait a moment, then press Send again.' : 'Not sent. Press Send to try again.';
    error.hidden = false;
  }
  field.focus();
}

/** Choices that a refresh keeps. */
function keep() {
  if (saved && model.media && model.call) save((saved = { ...saved, ...choices(model.media) }));
}

/** @param {string} id @param {string} event @param {(event: Event) => unknown} act */
function on(id, event, act) {
  byId(id).addEventListener(event, (e) => {
    if (event === 'submit') e.preventDefault();
    void act(e);
  });
}

on('form', 'submit', submit);
on('answer', 'submit', sendAnswer);
on('allow', 'click', async () => {
  await model.media?.open();
  byId('name').focus();
});
on('again', 'click', async () => {
  await model.media?.open();
  focusIfGone('again', 'mute', 'camera');
});
on('back', 'click', () => model.offer && resume(model.offer));
on('mute', 'click', () => {
  model.media?.setMuted(!model.media.muted);
  keep();
});
on('camera', 'click', async () => {
  const media = model.media;
  await media?.setCameraOff(!media.cameraOff && Boolean(media.track.video));
  keep();
});
/** A button that went away after its press must not take the focus with it. @param {string} gone @param {...string} next */
function focusIfGone(gone, ...next) {
  queueMicrotask(() => byId(gone).hidden && byId(next.find((id) => !byId(id).hidden) ?? 'start-title').focus());
}

for (const [id, kind] of /** @type {const} */ ([['microphone', 'audio'], ['cameras', 'video']])) {
  on(id, 'change', async () => {
    await model.media?.choose(kind, /** @type {HTMLSelectElement} */ (byId(id)).value);
    keep();
  });
}
on('hear', 'click', async () => {
  await play();
  focusIfGone('hear', 'band-word');
});
on('leave', 'click', () => {
  const live = model.call?.view?.state === 'on_air';
  byId('sure-text').textContent = live ? 'You are on air right now, and go off at once.' : 'You lose your place in the line.';
  /** @type {HTMLDialogElement} */ (byId('sure')).showModal();
});
on('stay', 'click', () => /** @type {HTMLDialogElement} */ (byId('sure')).close());
on('really', 'click', leaveCall);
on('done-button', 'click', () => again());

// Maybe only a refresh: the place is kept, but the server learns at once that the media ends here.
addEventListener('pagehide', () => {
  if (model.call) keep();
  model.call?.pause();
});
// Brought back from the browser's memory, its connections are gone: start from what is saved.
addEventListener('pageshow', (event) => event.persisted && location.reload());

void begin();
