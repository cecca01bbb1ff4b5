// A call: the server's views of it, the media session beside it, and coming back by itself.

import { Problem, chat, follow, leave, rejoin } from './api.js';
import { Pause, backoffMs } from './backoff.js';
import { Publisher } from './whip.js';

/** @typedef {import('./api.js').CallView} CallView */

/** The server beats every 5 s. */
const BEAT_LOST_MS = 12_000;
/** How long the server may take to say that media it gets has arrived. */
const ARRIVAL_MS = 3_000;

export class Call {
  /** The server's last word. @type {CallView | null} */
  view = null;
  /** Views are arriving. */
  following = false;
  /** What stands in the way, if anything. @type {Problem | null} */
  problem = null;
  over = false;
  /** It was there once: from then on anything less is "coming back", not "connecting". */
  wasUp = false;
  publisher;
  #saved;
  #on;
  #pause = new Pause();
  #stream = new AbortController();
  #streamSince = 0;
  #heardAt = 0;
  #attempt = 0;
  #unseen = 0;
  #unseenRestarts = 0;
  #watchdog = 0;
  /** @type {RTCIceServer[] | null} */
  #ice;

  /**
   * @param {{
   *   saved: import('./store.js').Saved,
   *   ice: RTCIceServer[] | null,
   *   on: {changed: () => void, heard: (stream: MediaStream) => void, over: () => void}
   * }} call `ice` is null after a refresh: then the server is asked first
   */
  constructor({ saved, ice, on }) {
    this.#saved = saved;
    this.#ice = ice;
    this.#on = on;
    this.publisher = new Publisher({
      changed: () => this.#changed(),
      heard: on.heard,
      // How a call ended, its stream tells.
      refused: (problem) => problem.reason === 'CALLER_ENDED' || this.#refused(problem),
      refresh: () => this.#refresh(),
    });
  }

  /** Nothing is claimed that is not so: both ways work and the server says that it hears us. */
  get link() {
    const up = this.following && this.publisher.state === 'up' && this.view?.connected;
    return up ? 'up' : this.wasUp ? 'lost' : 'connecting';
  }

  start() {
    addEventListener('online', this.#networkChanged);
    document.addEventListener('visibilitychange', this.#looked);
    this.#watchdog = setInterval(() => this.#watch(), 500);
    void this.#follow();
    void this.#publish();
  }

  /** The page goes away, maybe only to be refreshed: the place is kept, but the server is told that the media ends. */
  pause() {
    this.#end();
  }

  async leave() {
    this.#end();
    await leave(this.#saved.rejoin);
  }

  /** @param {string} text */
  say(text) {
    return chat(this.#saved.rejoin, text);
  }

  async #publish() {
    for (let attempt = 0; !this.#ice && !this.over; attempt++) {
      try {
        await this.#refresh();
      } catch (error) {
        const problem = /** @type {Problem} */ (error);
        // How a call ended, its stream tells.
        if (problem.reason === 'CALLER_ENDED') return;
        if (!problem.passing) return this.#refused(problem);
        this.problem = problem;
        this.#changed();
        await this.#pause.wait(Math.max(problem.retryAfterMs, backoffMs(attempt)));
      }
    }
    if (this.over) return;
    this.publisher.start({ bearer: this.#saved.rejoin, endpoint: this.#saved.whip, ice: this.#ice ?? [] });
  }

  async #refresh() {
    const joined = await rejoin(this.#saved.rejoin);
    this.#ice = joined.ice_servers ?? [];
    this.publisher.setIce(this.#ice);
  }

  async #follow() {
    while (!this.over) {
      this.#stream = new AbortController();
      this.#heardAt = performance.now();
      let waitMs = 0;
      try {
        await follow(this.#saved.rejoin, {
          signal: this.#stream.signal,
          view: (view) => this.#viewed(view),
          alive: () => this.#alive(),
        });
        // The server closed it in order: it is about to go.
      } catch (error) {
        const problem = /** @type {Problem} */ (error);
        if (this.over) return;
        if (problem instanceof Problem && !problem.passing) return this.#refused(problem);
        this.problem = problem;
        waitMs = problem.retryAfterMs ?? 0;
      }
      if (this.over) return;
      this.following = false;
      this.#changed();
      await this.#pause.wait(Math.max(waitMs, backoffMs(this.#attempt++, this.publisher.longestMs)));
    }
  }

  #alive() {
    this.#heardAt = performance.now();
    if (this.following) return;
    this.following = true;
    this.#streamSince = this.#heardAt;
    this.#attempt = 0;
    this.problem = null;
    // Who answers here answers there too.
    this.publisher.nudge();
    this.#changed();
  }

  /** @param {CallView} view */
  #viewed(view) {
    this.view = view;
    this.publisher.setVideo(view.video === 'full' ? 'full' : 'low');
    // The server keeps an empty slot for some seconds only; few callers are on air, so haste costs it little.
    this.publisher.longestMs = view.state === 'on_air' || view.state === 'ready' ? 1_000 : 5_000;
    if (view.state === 'ended') {
      this.#end();
      this.#on.over();
      return;
    }
    if (view.connected) {
      this.#unseen = 0;
      this.#unseenRestarts = 0;
    } else if (this.publisher.state === 'up' && this.publisher.upSince < this.#streamSince) {
      // A server that started anew knows the call, but not our older media session.
      this.publisher.restart('the server has no media of ours');
    }
    this.#changed();
  }

  #watch() {
    const now = performance.now();
    if (this.following && now - this.#heardAt > BEAT_LOST_MS) this.#stream.abort();
    const unseen = this.following && this.publisher.state === 'up' && this.view && !this.view.connected;
    if (!unseen) {
      this.#unseen = 0;
      return;
    }
    this.#unseen ||= now;
    // Longer each time: a caller who sends nothing (no microphone, camera off) is never "connected".
    if (now - this.#unseen < ARRIVAL_MS * 2 ** this.#unseenRestarts) return;
    this.#unseen = 0;
    this.#unseenRestarts = Math.min(this.#unseenRestarts + 1, 5);
    this.publisher.restart('our media does not arrive');
  }

  #networkChanged = () => {
    this.#attempt = 0;
    // The old connection may hang for minutes on an address that is gone.
    this.#stream.abort();
    this.#nudge();
  };

  #looked = () => {
    if (document.visibilityState !== 'visible') return;
    if (this.following && performance.now() - this.#heardAt > BEAT_LOST_MS / 2) this.#stream.abort();
    this.#nudge();
  };

  #nudge() {
    this.#pause.wake();
    this.publisher.nudge();
  }

  /** Trying again cannot help. @param {Problem} problem */
  #refused(problem) {
    if (this.over) return;
    // WHIP takes invites too, and so calls a token that it does not know an unknown link.
    this.problem = problem.reason === 'INVITE_UNKNOWN' ? new Problem('REJOIN_UNKNOWN', problem.status, problem.message) : problem;
    this.#end();
    this.#on.over();
  }

  #end() {
    this.over = true;
    this.following = false;
    clearInterval(this.#watchdog);
    removeEventListener('online', this.#networkChanged);
    document.removeEventListener('visibilitychange', this.#looked);
    this.#stream.abort();
    this.#pause.wake();
    this.publisher.stop();
  }

  #changed() {
    if (this.link === 'up') this.wasUp = true;
    this.#on.changed();
  }
}
