// The server's HTTP door: joining, the call's own verbs, its stream of views, and WHIP (RFC 9725).

/**
 * @typedef {{urls: string[], username?: string, credential?: string}} IceServer
 * @typedef {{caller: string, rejoin?: string, whip: string, show: string, show_title: string, ice_servers: IceServer[]}} Joined
 * @typedef {{at_ms: number, from: "studio" | "you", text: string}} Message
 * @typedef {{
 *   rev: number, state: "joining"|"waiting"|"screening"|"ready"|"held"|"on_air"|"ended", name: string, topic: string,
 *   show_title: string, position: number, waiting: number, connected: boolean, slot: string | null, muted: boolean,
 *   tally: "off"|"preview"|"program"|null,
 *   video: "low" | "full", messages: Message[], ended: null | {reason: string, note: string}
 * }} CallView
 */

/** A refusal, or no answer at all (`NETWORK`). `reason` is stable; `detail` is for people who look into it. */
export class Problem extends Error {
  /**
   * @param {string} reason
   * @param {number} status 0 when there was no answer
   * @param {string} detail
   * @param {number} retryAfterMs
   */
  constructor(reason, status = 0, detail = '', retryAfterMs = 0) {
    super(detail || reason);
    this.name = 'Problem';
    this.reason = reason;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }

  /** Trying the same again can help. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Seconds are enough: the server sends no dates. @param {Response} response */
function retryAfterMs(response) {
  const seconds = Number(response.headers.get('Retry-After'));
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 120) * 1000 : 0;
}

/** @param {Response} response */
async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy's page; the status says enough.
  }
  const reason = typeof body.reason === 'string' ? body.reason : `HTTP_${response.status}`;
  const detail = typeof body.detail === 'string' ? body.detail : '';
  return new Problem(reason, response.status, detail, retryAfterMs(response));
}

/**
 * @param {string} path
 * @param {RequestInit & {bearer?: string, timeoutMs?: number}} [options]
 * @returns {Promise<Response>} an answer of the 2xx kind
 */
async function ask(path, { bearer, timeoutMs = 10_000, headers = {}, signal, ...init } = {}) {
  const stop = new AbortController();
  const timer = timeoutMs ? setTimeout(() => stop.abort(), timeoutMs) : 0;
  const forward = () => stop.abort();
  signal?.addEventListener('abort', forward);
  if (signal?.aborted) stop.abort();
  const given = bearer ? { ...headers, Authorization: `Bearer ${bearer}` } : headers;
  let response;
  try {
    response = await fetch(path, {
      ...init,
      headers: given,
      signal: stop.signal,
      cache: 'no-store',
      credentials: 'same-origin',
      referrerPolicy: 'no-referrer',
    });
  } catch (error) {
    signal?.removeEventListener('abort', forward);
    throw new Problem('NETWORK', 0, String(error));
  } finally {
    clearTimeout(timer);
  }
  // From here on only the caller's own signal ends it: a stream of views lives for hours.
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** @param {string} path @param {unknown} body @param {string} [bearer] */
function post(path, body, bearer) {
  return ask(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
    bearer,
  });
}

/**
 * @param {{show: string, invite: string, name: string, topic: string, attempt: string}} who
 * @returns {Promise<Joined>}
 */
export async function join(who) {
  return (await post('/api/join', who)).json();
}

/** @param {string} bearer @returns {Promise<Joined>} */
export async function rejoin(bearer) {
  return (await post('/api/rejoin', {}, bearer)).json();
}

/** @param {string} bearer @param {string} text */
export async function chat(bearer, text) {
  await post('/api/call/chat', { text }, bearer);
}

/** @param {string} bearer */
export async function leave(bearer) {
  await post('/api/call/leave', {}, bearer);
}

/**
 * Reads the call's stream until it ends. Every piece of it, beats too, calls `alive`.
 * @param {string} bearer
 * @param {{signal: AbortSignal, view: (view: CallView) => void, alive: () => void}} on
 */
export async function follow(bearer, { signal, view, alive }) {
  const response = await ask('/api/call/events', { bearer, signal, headers: { Accept: 'text/event-stream' } });
  if (!response.body) throw new Problem('NETWORK');
  const reader = response.body.getReader();
  const events = new EventParser((name, data) => {
    if (name === 'call') view(JSON.parse(data));
  });
  const text = new TextDecoder();
  alive();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      events.push(text.decode(value, { stream: true }));
    }
  } catch (error) {
    throw new Problem('NETWORK', 0, String(error));
  }
}

/** Server-sent events as the HTML standard has them: pieces may be cut anywhere. */
export class EventParser {
  #rest = '';
  #name = '';
  /** @type {string[]} */
  #data = [];
  #event;

  /** @param {(name: string, data: string) => void} event */
  constructor(event) {
    this.#event = event;
  }

  /** @param {string} piece */
  push(piece) {
    this.#rest += piece;
    // A carriage return at the very end may be half of a line end.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  /** @param {string} line */
  #line(line) {
    if (line === '') {
      if (this.#data.length > 0) this.#event(this.#name || 'message', this.#data.join('\n'));
      this.#name = '';
      this.#data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#name = value;
    if (field === 'data') this.#data.push(value);
  }
}

/**
 * @param {string} endpoint
 * @param {string} bearer
 * @param {string} offer
 * @param {AbortSignal} signal
 * @returns {Promise<{answer: string, session: string, etag: string}>}
 */
export async function publish(endpoint, bearer, offer, signal) {
  const response = await ask(endpoint, {
    method: 'POST',
    body: offer,
    headers: { 'Content-Type': 'application/sdp' },
    bearer,
    signal,
    timeoutMs: 8_000,
  });
  const location = response.headers.get('Location');
  if (!location) throw new Problem('BAD_ANSWER', response.status, 'the answer names no session');
  return {
    answer: await response.text(),
    session: new URL(location, response.url).pathname,
    etag: response.headers.get('ETag') ?? '',
  };
}

/** Late candidates (RFC 9725 §4.3.1). @param {string} session @param {string} bearer @param {string} etag @param {string} fragment */
export async function trickle(session, bearer, etag, fragment) {
  await ask(session, {
    method: 'PATCH',
    body: fragment,
    headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag || '*' },
    bearer,
  });
}

/** Ends a session; outlives the page. @param {string} session @param {string} bearer */
export async function unpublish(session, bearer) {
  await ask(session, { method: 'DELETE', bearer, keepalive: true, timeoutMs: 3_000 });
}
