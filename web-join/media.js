// Camera and microphone: asking for them, choosing, muting, the level meter, and getting them back when they vanish.

/**
 * @typedef {"audio" | "video"} Kind
 * @typedef {"refused" | "absent" | "busy" | "failed"} Trouble
 * @typedef {{id: string, label: string}} Device
 */

/** Chosen on purpose: go without. */
export const NONE = 'none';

const QUALITY = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, facingMode: { ideal: 'user' } },
};

/** Why the page cannot work here at all. @returns {"insecure" | "no_webrtc" | null} */
export function unsupported() {
  if (!globalThis.isSecureContext) return 'insecure';
  const capture = navigator.mediaDevices && 'getUserMedia' in navigator.mediaDevices;
  if (!capture || typeof RTCPeerConnection === 'undefined') return 'no_webrtc';
  return null;
}

export class Media {
  /** @type {Record<Kind, MediaStreamTrack | null>} */
  track = { audio: null, video: null };
  /** @type {Record<Kind, Trouble | null>} */
  trouble = { audio: null, video: null };
  /** Device id, '' for the browser's choice, or NONE. @type {Record<Kind, string>} */
  wanted = { audio: '', video: '' };
  /** @type {Record<Kind, Device[]>} */
  devices = { audio: [], video: [] };
  muted = false;
  cameraOff = false;
  /** They were asked for once; before, nothing is wrong with having none. */
  opened = false;
  /** The system or another app has silenced the microphone. */
  interrupted = false;
  meter = new Meter();
  #changed;
  #replaced;
  /** Only the newest request for a kind may set its track. @type {Record<Kind, number>} */
  #turn = { audio: 0, video: 0 };

  /** @param {{changed: () => void, replaced: (kind: Kind, track: MediaStreamTrack | null) => void}} on */
  constructor({ changed, replaced }) {
    this.#changed = changed;
    this.#replaced = replaced;
    navigator.mediaDevices.addEventListener?.('devicechange', () => void this.#devicesChanged());
  }

  /** True when the browser would not ask. */
  async allowedAlready() {
    try {
      const ask = ['microphone', 'camera'].map((name) => navigator.permissions.query({ name: /** @type {any} */ (name) }));
      return (await Promise.all(ask)).every((status) => status.state === 'granted');
    } catch {
      return false;
    }
  }

  /** Asks for both in one question; what one of them lacks does not cost the other. */
  async open() {
    const kinds = /** @type {Kind[]} */ (['audio', 'video']).filter((kind) => this.wanted[kind] !== NONE);
    if (kinds.length === 2 && !this.cameraOff) {
      const turns = kinds.map((kind) => ++this.#turn[kind]);
      try {
        const stream = await navigator.mediaDevices.getUserMedia({
          audio: this.#constraints('audio'),
          video: this.#constraints('video'),
        });
        kinds.forEach((kind, i) => this.#take(kind, turns[i], stream.getTracks().find((t) => t.kind === kind) ?? null));
        await this.#list();
        return;
      } catch {
        // One of the two is the trouble: ask for each alone to learn which.
      }
    }
    for (const kind of kinds) {
      if (kind === 'video' && this.cameraOff) continue;
      await this.#acquire(kind);
    }
    await this.#list();
  }

  /** @param {Kind} kind @param {string} id */
  async choose(kind, id) {
    this.wanted[kind] = id;
    this.trouble[kind] = null;
    if (kind === 'video') this.cameraOff = false;
    if (id === NONE) {
      this.#take(kind, ++this.#turn[kind], null);
    } else {
      await this.#acquire(kind);
      await this.#list();
    }
  }

  /** Silence goes on being sent: the line stays open and unmuting is instant. @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    if (this.track.audio) this.track.audio.enabled = !muted;
    this.#changed();
  }

  /** Off really turns the camera off, its light too. @param {boolean} off */
  async setCameraOff(off) {
    this.cameraOff = off;
    if (off) {
      this.#take('video', ++this.#turn.video, null);
    } else {
      if (this.wanted.video === NONE) this.wanted.video = '';
      await this.#acquire('video');
      await this.#list();
    }
  }

  close() {
    for (const kind of /** @type {Kind[]} */ (['audio', 'video'])) this.#take(kind, ++this.#turn[kind], null);
  }

  /** @param {Kind} kind */
  async #acquire(kind) {
    const turn = ++this.#turn[kind];
    // Some systems open a device only once: let go of the old one first.
    this.track[kind]?.stop();
    let track = null;
    let trouble = null;
    try {
      track = await this.#ask(kind);
    } catch (error) {
      trouble = troubleOf(error);
    }
    if (turn !== this.#turn[kind]) {
      track?.stop();
      return;
    }
    this.trouble[kind] = trouble;
    this.#take(kind, turn, track);
  }

  /** @param {Kind} kind */
  async #ask(kind) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: this.#constraints(kind) });
      return stream.getTracks()[0] ?? null;
    } catch (error) {
      const gone = error instanceof DOMException && (error.name === 'OverconstrainedError' || error.name === 'NotFoundError');
      if (!gone || !this.wanted[kind]) throw error;
      // The chosen one is unplugged: any other will do.
      const stream = await navigator.mediaDevices.getUserMedia({ [kind]: QUALITY[kind] });
      return stream.getTracks()[0] ?? null;
    }
  }

  /** @param {Kind} kind */
  #constraints(kind) {
    const id = this.wanted[kind];
    return id && id !== NONE ? { ...QUALITY[kind], facingMode: undefined, deviceId: { exact: id } } : QUALITY[kind];
  }

  /** @param {Kind} kind @param {number} turn @param {MediaStreamTrack | null} track */
  #take(kind, turn, track) {
    if (turn !== this.#turn[kind]) {
      track?.stop();
      return;
    }
    const old = this.track[kind];
    if (old && old !== track) {
      old.onended = old.onmute = old.onunmute = null;
      old.stop();
    }
    this.track[kind] = track;
    this.opened = true;
    if (track) {
      this.trouble[kind] = null;
      track.contentHint = kind === 'audio' ? 'speech' : 'motion';
      // Unplugged, taken away by the system, or a call came in: get it, or another one, back.
      track.onended = () => void this.#ended(kind, track);
      if (kind === 'audio') {
        track.enabled = !this.muted;
        this.interrupted = track.muted;
        track.onmute = track.onunmute = () => {
          this.interrupted = track.muted;
          this.#changed();
        };
      }
    }
    if (kind === 'audio') this.meter.listen(track);
    this.#replaced(kind, track);
    this.#changed();
  }

  /** @param {Kind} kind @param {MediaStreamTrack} track */
  async #ended(kind, track) {
    if (this.track[kind] === track) await this.#acquire(kind);
    await this.#list();
  }

  async #devicesChanged() {
    await this.#list();
    if (!this.opened) return;
    for (const kind of /** @type {Kind[]} */ (['audio', 'video'])) {
      const missing = !this.track[kind] && this.trouble[kind] && this.trouble[kind] !== 'refused';
      if (missing && this.wanted[kind] !== NONE && !(kind === 'video' && this.cameraOff)) await this.#acquire(kind);
    }
  }

  async #list() {
    try {
      const all = await navigator.mediaDevices.enumerateDevices();
      for (const kind of /** @type {Kind[]} */ (['audio', 'video'])) {
        this.devices[kind] = all
          .filter((d) => d.kind === `${kind}input` && d.deviceId && d.deviceId !== 'communications')
          .map((d) => ({ id: d.deviceId, label: d.label }));
      }
    } catch {
      // The list is a convenience.
    }
    this.#changed();
  }
}

/** @param {unknown} error @returns {Trouble} */
function troubleOf(error) {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'refused';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'absent';
  if (name === 'NotReadableError' || name === 'AbortError') return 'busy';
  return 'failed';
}

/** Peak level of the microphone, −60…0 dBFS. */
export class Meter {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #samples = new Float32Array(1024);

  /** @param {MediaStreamTrack | null} track */
  listen(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (!track) return;
    try {
      this.#context ??= new AudioContext();
      this.#analyser ??= new AnalyserNode(this.#context, { fftSize: 1024 });
      this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
      this.#source.connect(this.#analyser);
    } catch {
      this.#source = null;
    }
    this.wake();
  }

  /** Browsers keep sound asleep until somebody touched the page. */
  wake() {
    if (this.#context?.state === 'suspended') void this.#context.resume().catch(() => {});
  }

  level_dbfs() {
    if (!this.#source || !this.#analyser) return -60;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let peak = 0;
    for (const sample of this.#samples) peak = Math.max(peak, Math.abs(sample));
    return Math.max(-60, Math.min(0, 20 * Math.log10(peak || 1e-4)));
  }
}

/** Keeps the phone from locking, which would cut the sound. */
export class Awake {
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #wanted = false;

  constructor() {
    document.addEventListener('visibilitychange', () => void this.#hold());
  }

  /** @param {boolean} wanted */
  set(wanted) {
    this.#wanted = wanted;
    if (wanted) {
      void this.#hold();
    } else {
      void this.#lock?.release().catch(() => {});
      this.#lock = null;
    }
  }

  async #hold() {
    if (!this.#wanted || document.visibilityState !== 'visible' || (this.#lock && !this.#lock.released)) return;
    try {
      this.#lock = await navigator.wakeLock?.request('screen');
    } catch {
      // Low battery, or not allowed: the call goes on.
    }
  }
}
