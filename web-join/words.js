// Everything the page says, in plain words: what is the matter, and what to do.

/** @typedef {{title: string, text: string, todo: string}} Words */

/** Refusals by their stable reason. @type {Record<string, Words>} */
const REASONS = {
  INVITE_UNKNOWN: {
    title: 'This link does not work',
    text: 'The studio does not know it. A part of it may be missing, or it was withdrawn.',
    todo: 'Open the whole link from your message again, or ask the studio for a new one.',
  },
  INVITE_EXPIRED: {
    title: 'This link has expired',
    text: 'It was good for a limited time, and that time is over.',
    todo: 'Ask the studio for a new link.',
  },
  INVITE_USED_UP: {
    title: 'This link has been used already',
    text: 'It lets in a set number of people, and they have all joined.',
    todo: 'If you joined with it in another tab or on another device, go on there. Otherwise ask the studio for a new link.',
  },
  SHOW_NOT_FOUND: {
    title: 'There is no such show',
    text: 'The address names a show that is not here.',
    todo: 'Open the link from your message again, or ask the studio.',
  },
  SHOW_CLOSED: {
    title: 'The show takes no callers right now',
    text: 'The studio has closed the lines.',
    todo: 'Try again later, or ask the studio when the lines open.',
  },
  SHOW_FULL: {
    title: 'All lines are taken',
    text: 'As many people as the show has room for are waiting already.',
    todo: 'Wait a few minutes, then press the button again.',
  },
  SERVER_FULL: {
    title: 'The studio’s server is full',
    text: 'It cannot take another connection right now.',
    todo: 'Wait a minute, then press the button again.',
  },
  RATE_LIMITED: {
    title: 'Too many tries in a short time',
    text: 'The server lets only so many in at once from one place.',
    todo: 'Wait a minute, then press the button again.',
  },
  STOPPING: {
    title: 'The studio’s server is restarting',
    text: 'It will be back in a moment.',
    todo: 'Wait a few seconds, then press the button again.',
  },
  LEDGER_READ_ONLY: {
    title: 'The studio cannot take new callers right now',
    text: 'Its server has a problem with its storage.',
    todo: 'Tell the studio, or try again later.',
  },
  REJOIN_UNKNOWN: {
    title: 'Your call has ended',
    text: 'You were away for too long, and your place was given up.',
    todo: 'Call again with the same link, or ask the studio for a new one.',
  },
  CALLER_ENDED: {
    title: 'Your call has ended',
    text: 'The studio has closed this call.',
    todo: 'Call again with the same link, or ask the studio for a new one.',
  },
  NETWORK: {
    title: 'The studio cannot be reached',
    text: 'There is no answer from its server.',
    todo: 'Check that you are online, then press the button again.',
  },
  PEER: {
    title: 'Picture and sound do not get through',
    text: 'Something between you and the studio blocks them: often a company network or a VPN.',
    todo: 'Keep this page open, we go on trying. If you can, switch off the VPN or use another network.',
  },
  NO_INVITE: {
    title: 'This link is not complete',
    text: 'The last part of it, after the # sign, is missing. That part lets you in.',
    todo: 'Open the whole link from your message again, or ask the studio for it.',
  },
  insecure: {
    title: 'This page was not opened over a secure connection',
    text: 'Browsers give camera and microphone only to pages whose address starts with https:// (or to localhost).',
    todo: 'Change http:// to https:// at the start of the address, or ask the studio for a link with https://.',
  },
  no_webrtc: {
    title: 'This browser cannot make calls',
    text: 'It lacks WebRTC, or it is switched off. Browsers inside other apps often have none.',
    todo: 'Open the link in a current Chrome, Edge, Firefox or Safari.',
  },
  elsewhere: {
    title: 'Your call is open in another tab',
    text: 'A call can be in one place only, so this tab leaves it alone.',
    todo: 'Go on in the other tab, or bring the call here.',
  },
};

/** @param {string} reason @param {string} [detail] the server's own words, for reasons this page does not know @returns {Words} */
export function problemWords(reason, detail = '') {
  return (
    REASONS[reason] ?? {
      title: 'That did not work',
      text: detail ? `The server says: ${detail}.` : 'The server gave an answer this page does not understand.',
      todo: `Reload the page and try again. If it stays so, tell the studio: ${reason}.`,
    }
  );
}

/** How a call ended. @type {Record<string, Words>} */
const ENDS = {
  left: { title: 'You have left the call', text: 'Nobody hears or sees you any more.', todo: '' },
  dropped: { title: 'The studio has ended the call', text: 'Nobody hears or sees you any more.', todo: '' },
  rejected: {
    title: 'The studio cannot take your call this time',
    text: 'Thank you for calling. Nobody hears or sees you any more.',
    todo: '',
  },
  completed: { title: 'Thank you for being on the show', text: 'Your call is done. Nobody hears or sees you any more.', todo: '' },
  lost: {
    title: 'Your call was lost',
    text: 'The connection was away for too long, and your place was given up.',
    todo: 'Check your network, then call again.',
  },
};

/** @param {string} reason @returns {Words} */
export function endWords(reason) {
  return ENDS[reason] ?? { title: 'The call has ended', text: 'Nobody hears or sees you any more.', todo: '' };
}

/** @param {number} n */
export function ordinal(n) {
  const tens = n % 100;
  const suffix = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${suffix}`;
}

/** @param {import('./api.js').CallView} view */
function place(view) {
  if (view.position < 1) return '';
  return `You are ${ordinal(view.position)} of ${Math.max(view.waiting, view.position)}`;
}

/** @param {{heard: boolean, seen: boolean}} sent */
function live({ heard, seen }) {
  if (heard) return seen ? 'Everybody hears and sees you.' : 'Everybody hears you.';
  return seen ? 'Everybody sees you, but your microphone is muted.' : 'Your microphone is muted and your camera is off.';
}

/** A tally is of pictures: sound may be on air before and after. @param {import('./api.js').CallView} view */
const unseen = (view) => (view.muted ? 'The studio has muted you for now.' : 'You may be heard already.');

/** Bands of somebody who is on a slot, whether shown or not. */
export const ON_SLOT = ['on_air', 'preview', 'standby'];

/**
 * The band on top of a call: its word, the sentence under it, and what a screen reader says at once.
 * @param {import('./api.js').CallView | null} view
 * @param {"up" | "lost" | "connecting"} link
 * @param {{heard: boolean, seen: boolean}} [sent]
 * @returns {{band: string, word: string, text: string}}
 */
export function bandWords(view, link, sent = { heard: true, seen: true }) {
  if (link === 'lost') {
    const live = view?.state === 'on_air';
    return {
      band: 'lost',
      word: 'Reconnecting…',
      text: live
        ? 'The connection is gone for the moment. You may still be on air. Keep this page open.'
        : 'The connection is gone for the moment. Your place is kept. Keep this page open.',
    };
  }
  if (link === 'connecting' || !view) return { band: 'connecting', word: 'Connecting…', text: 'This takes a few seconds.' };
  const where = place(view);
  switch (view.state) {
    case 'on_air':
      // Who is on a slot is in the production's hands. Without a vMix that says what it does, that is on air.
      if (view.tally === 'preview') {
        return { band: 'preview', word: 'You’re next', text: `The studio is about to show you. ${unseen(view)}` };
      }
      if (view.tally === 'off') {
        return { band: 'standby', word: 'Stand by', text: `You are through to the studio, but not in the picture now. ${unseen(view)}` };
      }
      return {
        band: 'on_air',
        word: 'ON AIR',
        text: `You are live. ${view.muted ? 'The studio has muted you for now.' : live(sent)}`,
      };
    case 'ready':
      return {
        band: 'ready',
        word: 'Get ready',
        text: view.position <= 1 ? 'You’re next. You are not on air yet.' : `You go on air soon. ${where}.`,
      };
    case 'held':
      return { band: 'held', word: 'On hold', text: 'You are still connected. The studio will come back to you.' };
    case 'screening':
      return {
        band: 'screening',
        word: 'The studio is with you',
        text: 'They check your call before you go on. You are not on air.',
      };
    default:
      return {
        band: 'waiting',
        word: 'You’re connected',
        text: where ? `${where}. You are not on air.` : 'You are not on air.',
      };
  }
}

/** @type {Record<import('./media.js').Kind, Record<import('./media.js').Trouble, string>>} */
const TROUBLE = {
  audio: {
    refused:
      'The microphone is not allowed. Press the camera or lock sign beside the page’s address, allow the microphone, then press “Try again”. On a phone, also look in the system’s settings for this browser.',
    absent: 'No microphone was found. Plug one in or switch it on, then press “Try again”.',
    busy: 'The microphone is in use by another app. Close that app or call, then press “Try again”.',
    failed: 'The microphone could not be started. Unplug it and plug it in again, or choose another one.',
  },
  video: {
    refused:
      'The camera is not allowed. You can join with sound only. To be seen, press the camera or lock sign beside the page’s address, allow the camera, then press “Try again”.',
    absent: 'No camera was found. You can join with sound only.',
    busy: 'The camera is in use by another app. Close that app and press “Try again”, or join with sound only.',
    failed: 'The camera could not be started. You can join with sound only, or choose another camera.',
  },
};

/** @param {import('./media.js').Kind} kind @param {import('./media.js').Trouble} trouble */
export const troubleWords = (kind, trouble) => TROUBLE[kind][trouble];

export const NEED_MICROPHONE =
  'To join, the studio has to hear you: a microphone is needed. If you only want to be seen, choose “No microphone (picture only)” under Devices.';
export const NEED_ANYTHING = 'With neither microphone nor camera there is nothing to send. Choose at least one of them under Devices.';
export const NEED_NAME = 'Please type your name: the studio has to know what to call you.';
