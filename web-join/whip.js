// One WebRTC session to the server at a time (WHIP, RFC 9725), made again whenever it is lost.
//
//   idle ─start─▶ connecting ─▶ up ─▶ retrying ─▶ connecting …        any ─stop─▶ idle

import { Problem, publish, trickle, unpublish } from './api.js';
import { Pause, backoffMs } from './backoff.js';

/** @typedef {import('./media.js').Kind} Kind */

/** What a caller's video costs while nobody looks at it, and when it is wanted. */
const VIDEO = {
  low: { scaleResolutionDownBy: 4, maxFramerate: 5, maxBitrate: 60_000 },
  full: { scaleResolutionDownBy: 1, maxFramerate: 30, maxBitrate: 2_500_000 },
};
/** Candidates that come later are trickled. */
const GATHER_MS = 800;
const CONNECT_MS = 10_000;
const DISCONNECTED_MS = 2_000;
/** The server sends sound all the time: nothing at all for this long means that it is gone. */
const SILENT_MS = 3_000;
/** Looks in a row, half a second apart, with something new in each. */
const FLOWING = 6;
/** A session that held this long starts the waiting from the beginning again. */
const STEADY_MS = 5_000;

export class Publisher {
  /** @type {"idle" | "connecting" | "up" | "retrying"} */
  state = 'idle';
  /** @type {Problem | null} */
  problem = null;
  /** `performance.now()` of when it came up. */
  upSince = 0;
  /** Shortest patience while on air. */
  longestMs = 5_000;
  #on;
  #bearer = '';
  #endpoint = '';
  /** @type {RTCIceServer[]} */
  #ice = [];
  /** @type {"low" | "full"} */
  #video = 'low';
  /** @type {Record<Kind, MediaStreamTrack | null>} */
  #tracks = { audio: null, video: null };
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  /** @type {Partial<Record<Kind, RTCRtpSender>>} */
  #senders = {};
  #session = '';
  #running = false;
  #pause = new Pause();
  /** Ends the session that is up, or being made. */
  #lose = (/** @type {string} */ _why) => {};

  /**
   * @param {{changed: () => void, heard: (stream: MediaStream) => void, refused: (problem: Problem) => void,
   *   refresh: () => Promise<void>}} on `refused`: trying again cannot help; `refresh`: new ICE servers may be had
   */
  constructor(on) {
    this.#on = on;
  }

  /** @param {{bearer: string, endpoint: string, ice: RTCIceServer[]}} to */
  start({ bearer, endpoint, ice }) {
    this.#bearer = bearer;
    this.#endpoint = endpoint;
    this.#ice = ice;
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Closes the session; at the server too, so that it knows at once. */
  stop() {
    this.#running = false;
    const session = this.#session;
    this.#session = '';
    this.#close();
    this.#lose('stopped');
    this.#pause.wake();
    this.#set('idle');
    if (session) void unpublish(session, this.#bearer).catch(() => {});
  }

  /** Makes the session anew. @param {string} why */
  restart(why) {
    this.#lose(why);
    this.#pause.wake();
  }

  /** Tries at once if it is waiting to try. */
  nudge() {
    this.#pause.wake();
  }

  /** @param {RTCIceServer[]} ice */
  setIce(ice) {
    this.#ice = ice;
  }

  /** @param {Kind} kind @param {MediaStreamTrack | null} track */
  setTrack(kind, track) {
    this.#tracks[kind] = track;
    void this.#senders[kind]
      ?.replaceTrack(track)
      .then(() => kind === 'video' && this.#applyVideo())
      .catch(() => this.restart('a new track needs a new session'));
  }

  /** @param {"low" | "full"} video */
  setVideo(video) {
    if (video === this.#video) return;
    this.#video = video;
    this.#applyVideo();
  }

  async #run() {
    let attempt = 0;
    while (this.#running) {
      let waitMs = 0;
      try {
        await this.#connect();
        this.problem = null;
        this.#set('up');
        await this.#untilLost();
        if (performance.now() - this.upSince >= STEADY_MS) attempt = 0;
      } catch (error) {
        if (!this.#running) return;
        const problem = error instanceof Problem ? error : new Problem('PEER', 0, String(error));
        this.problem = problem;
        if (!problem.passing) {
          this.#close();
          this.#running = false;
          this.#set('idle');
          this.#on.refused(problem);
          return;
        }
        waitMs = problem.retryAfterMs;
      }
      this.#close();
      if (!this.#running) return;
      this.#set('retrying');
      await this.#pause.wait(Math.max(waitMs, backoffMs(attempt, this.longestMs)));
      // TURN passwords run out; a server that came back may have others.
      if (++attempt % 4 === 0) await this.#on.refresh().catch(() => {});
    }
  }

  async #connect() {
    this.#set('connecting');
    const stop = new AbortController();
    const pc = new RTCPeerConnection({ iceServers: this.#ice, bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    const lost = new Promise((_, reject) => {
      this.#lose = (why) => {
        stop.abort();
        reject(new Problem('PEER', 0, why));
      };
    });
    lost.catch(() => {});
    pc.ontrack = ({ track, streams }) => {
      if (track.kind === 'audio') this.#on.heard(streams[0] ?? new MediaStream([track]));
    };
    // Both are always offered: a camera turned on later needs no new session.
    const audio = pc.addTransceiver(this.#tracks.audio ?? 'audio', { direction: 'sendrecv' });
    const video = pc.addTransceiver(this.#tracks.video ?? 'video', {
      direction: 'sendonly',
      sendEncodings: [{ ...VIDEO[this.#video] }],
    });
    this.#senders = { audio: audio.sender, video: video.sender };
    await pc.setLocalDescription();
    await gathered(pc);
    const offer = pc.localDescription?.sdp ?? '';
    const late = new Late(pc, offer);
    const made = await Promise.race([publish(this.#endpoint, this.#bearer, offer, stop.signal), lost]);
    if (pc !== this.#pc) {
      void unpublish(made.session, this.#bearer).catch(() => {});
      throw new Problem('PEER', 0, 'not wanted any more');
    }
    this.#session = made.session;
    late.send((fragment) => void trickle(made.session, this.#bearer, made.etag, fragment).catch(() => {}));
    await pc.setRemoteDescription({ type: 'answer', sdp: made.answer });
    this.#applyVideo();
    await Promise.race([connected(pc), lost]);
    this.upSince = performance.now();
  }

  /** Until the network or the other side is gone. */
  #untilLost() {
    const pc = this.#pc;
    return new Promise((resolve) => {
      if (!pc) return resolve(undefined);
      let disconnected = 0;
      let bytes = 0;
      let heardAt = performance.now();
      let lookedAt = heardAt;
      let flowing = 0;
      const done = () => {
        clearInterval(timer);
        pc.onconnectionstatechange = null;
        this.#lose = () => {};
        resolve(undefined);
      };
      const look = async () => {
        const now = performance.now();
        if (pc.connectionState === 'failed' || pc.connectionState === 'closed') return done();
        // `disconnected` often mends itself (LESSONS: give it a moment).
        disconnected = pc.connectionState === 'disconnected' ? disconnected || now : 0;
        if (disconnected && now - disconnected > DISCONNECTED_MS) return done();
        const seen = await received(pc);
        // Reports alone come in bursts: only sound that flowed can fall silent.
        if (flowing < FLOWING) flowing = seen > bytes ? flowing + 1 : 0;
        // A page that slept must not blame the server.
        if (seen > bytes || now - lookedAt > SILENT_MS / 2) heardAt = now;
        bytes = seen;
        lookedAt = now;
        if (flowing >= FLOWING && now - heardAt > SILENT_MS) done();
      };
      const timer = setInterval(() => void look(), 500);
      pc.onconnectionstatechange = () => void look();
      this.#lose = done;
    });
  }

  /** @param {number} [tries] */
  #applyVideo(tries = 5) {
    const sender = this.#senders.video;
    const parameters = sender?.getParameters();
    if (!sender || !parameters?.encodings?.[0]) return;
    Object.assign(parameters.encodings[0], VIDEO[this.#video]);
    // A second call while one runs is refused; the newest wish is applied by the one after.
    sender.setParameters(parameters).catch(() => {
      if (tries > 0) setTimeout(() => sender === this.#senders.video && this.#applyVideo(tries - 1), 200);
    });
  }

  #close() {
    this.#pc?.close();
    this.#pc = null;
    this.#senders = {};
  }

  /** @param {Publisher["state"]} state */
  #set(state) {
    this.state = state;
    this.#on.changed();
  }
}

/** @param {RTCPeerConnection} pc */
function gathered(pc) {
  return new Promise((resolve) => {
    if (pc.iceGatheringState === 'complete') return resolve(undefined);
    const timer = setTimeout(resolve, GATHER_MS);
    pc.addEventListener('icegatheringstatechange', () => {
      if (pc.iceGatheringState !== 'complete') return;
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/** @param {RTCPeerConnection} pc */
function connected(pc) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Problem('PEER', 0, 'no way through to the server was found')), CONNECT_MS);
    const look = () => {
      if (pc.connectionState === 'connected') resolve(undefined);
      else if (pc.connectionState === 'failed' || pc.connectionState === 'closed') reject(new Problem('PEER', 0, pc.connectionState));
      else return;
      clearTimeout(timer);
      pc.removeEventListener('connectionstatechange', look);
    };
    pc.addEventListener('connectionstatechange', look);
    look();
  });
}

/** Bytes of the whole transport: sound, reports and consent answers alike. @param {RTCPeerConnection} pc */
async function received(pc) {
  let bytes = 0;
  try {
    (await pc.getStats()).forEach((report) => {
      if (report.type === 'transport') bytes += report.bytesReceived ?? 0;
    });
  } catch {
    // Closed meanwhile.
  }
  return bytes;
}

/** Candidates that were not in the offer yet. */
class Late {
  /** @type {string[]} */
  #fragments = [];
  /** @type {((fragment: string) => void) | null} */
  #send = null;

  /** @param {RTCPeerConnection} pc @param {string} offer */
  constructor(pc, offer) {
    const line = (/** @type {string} */ name) => offer.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0] ?? '';
    const head = `${line('ice-ufrag')}\r\n${line('ice-pwd')}\r\n`;
    const media = offer.match(/^m=.*$/m)?.[0] ?? 'm=audio 9 UDP/TLS/RTP/SAVPF 0';
    pc.addEventListener('icecandidate', ({ candidate }) => {
      if (!candidate?.candidate || offer.includes(candidate.candidate)) return;
      const fragment = `${head}${media}\r\na=mid:${candidate.sdpMid ?? 0}\r\na=${candidate.candidate}\r\n`;
      if (this.#send) this.#send(fragment);
      else this.#fragments.push(fragment);
    });
  }

  /** @param {(fragment: string) => void} send */
  send(send) {
    this.#send = send;
    this.#fragments.splice(0).forEach(send);
  }
}
