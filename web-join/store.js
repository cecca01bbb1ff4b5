// Where a call's rejoin token is kept, and which tab owns the call.
//
// The token goes to two places. `sessionStorage` belongs to this tab: it survives a refresh, and most browsers bring it
// back with a tab that crashed or was put to sleep; it is taken up without asking. `localStorage` is for the case where
// the tab itself is gone and the link is opened anew: it may be somebody else at the same device, or a second tab, so
// it is only offered, for a short time, and never while another tab has the call. The invite stays in the address.
// A copied tab has a copied `sessionStorage`: a Web Lock, which a dying tab lets go of by itself, keeps two tabs from
// throwing each other off the air.

/**
 * @typedef {{
 *   show: string, caller: string, rejoin: string, whip: string, name: string, topic: string, savedAt: number,
 *   audio: string, video: string, muted: boolean, cameraOff: boolean
 * }} Saved
 */

/** Longer than the server keeps a lost caller's place; after that an offer to go back would be a false promise. */
const OFFER_MS = 15 * 60_000;

/** @param {string} show */
const key = (show) => `booth.call.${show}`;

/** Storage may be switched off; then a refresh starts anew, and nothing else is lost. @param {() => Storage} which @param {(storage: Storage) => any} use */
function using(which, use) {
  try {
    return use(which());
  } catch {
    return null;
  }
}
const tab = () => sessionStorage;
const device = () => localStorage;

/** @param {Saved} saved */
export function save(saved) {
  const text = JSON.stringify({ ...saved, savedAt: Date.now() });
  using(tab, (s) => s.setItem(key(saved.show), text));
  using(device, (s) => s.setItem(key(saved.show), text));
}

/** @param {Saved} saved */
export function forget(saved) {
  for (const which of [tab, device]) {
    if (read(which, saved.show)?.caller === saved.caller) using(which, (s) => s.removeItem(key(saved.show)));
  }
}

/** This tab's call. @param {string} show */
export function own(show) {
  return read(tab, show);
}

/** A call of a tab that is gone. @param {string} show @returns {Promise<Saved | null>} */
export async function orphan(show) {
  const saved = read(device, show);
  if (!saved || !(Date.now() - saved.savedAt < OFFER_MS)) return null;
  const locks = await navigator.locks?.query();
  const held = locks?.held?.some((lock) => lock.name === lockName(saved.caller));
  return held ? null : saved;
}

/** @param {() => Storage} which @param {string} show @returns {Saved | null} */
function read(which, show) {
  const text = using(which, (s) => s.getItem(key(show)));
  if (!text) return null;
  try {
    const saved = JSON.parse(text);
    return typeof saved?.rejoin === 'string' && typeof saved?.caller === 'string' && saved.show === show ? saved : null;
  } catch {
    return null;
  }
}

/** @param {string} caller */
const lockName = (caller) => `booth-call-${caller}`;

/**
 * Makes this tab the one that has the call. `lost` is called when another tab takes it over on purpose.
 * @param {string} caller
 * @param {{steal?: boolean, lost: () => void, waitMs?: number}} how
 * @returns {Promise<boolean>}
 */
export function claim(caller, { steal = false, lost, waitMs = 2_000 }) {
  // Without Web Locks (old Safari) the newest session simply wins at the server.
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const stop = new AbortController();
    // A refreshed page's older self may hold it for a moment yet.
    const timer = setTimeout(() => stop.abort(), waitMs);
    const options = steal ? { steal: true } : { signal: stop.signal };
    let got = false;
    navigator.locks
      .request(lockName(caller), options, () => {
        got = true;
        clearTimeout(timer);
        resolve(true);
        return new Promise(() => {});
      })
      .catch(() => (got ? lost() : resolve(false)));
  });
}

const ATTEMPT = 'booth.attempt';

/**
 * The name of this press of the join button: the same while the same is asked, also over a refresh, so that an answer
 * lost on the way does not use up the link.
 * @param {object} who @returns {string}
 */
export function attemptOf(who) {
  const asked = JSON.stringify(who);
  const [known, id] = using(tab, (s) => JSON.parse(s.getItem(ATTEMPT) ?? '[]')) ?? [];
  if (known === asked && typeof id === 'string') return id;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const fresh = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  using(tab, (s) => s.setItem(ATTEMPT, JSON.stringify([asked, fresh])));
  return fresh;
}

/** The answer came: the next press is another join. */
export function forgetAttempt() {
  using(tab, (s) => s.removeItem(ATTEMPT));
}
