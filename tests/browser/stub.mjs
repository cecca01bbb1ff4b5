// A stub of the server's HTTP door: the page's files with the server's own headers, the call's API, and WHIP answered
// by whatever the test gives (a second page, or a refusal).

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';

const ROOT = new URL('../../web-join/', import.meta.url);
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SECURE = {
  'Content-Security-Policy': CSP,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Permissions-Policy': 'camera=(self), microphone=(self), display-capture=()',
  'Cache-Control': 'no-cache',
};

/** A fresh view of a caller who waits alone. */
export const WAITING = {
  state: 'waiting',
  name: 'Ada',
  topic: 'Bees',
  show_title: 'Night Line',
  position: 1,
  waiting: 1,
  connected: true,
  slot: null,
  tally: null,
  muted: false,
  video: 'low',
  messages: [],
  ended: null,
};

export class Stub {
  /** Every request that changed something: `{method, path, bearer, body}`. */
  seen = [];
  /** Refusals by path: `{status, reason, detail, retryAfter}`. */
  refuse = new Map();
  /** Paths whose next answer is lost on the way. @type {Set<string>} */
  lose = new Set();
  /** Answers an SDP offer; none: 503. @type {null | ((offer: string) => Promise<string>)} */
  answer = null;
  view = { ...WAITING, connected: false, state: 'joining' };
  /** Says by itself that the media arrived, as the server does. */
  arrives = true;
  beats = true;
  #streams = new Set();
  #server = null;
  #sockets = new Set();
  #port = 0;
  #rev = 0;

  async start() {
    this.#server = createServer((request, response) => {
      void this.#route(request, response).catch((error) => response.destroy(error));
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = this.#server.address().port;
    return this;
  }

  /** As a killed server: every connection breaks, the port refuses; `start` brings it back at the same address. */
  async stop() {
    this.#streams.clear();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve());
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** @param {Partial<typeof WAITING>} change */
  push(change) {
    this.view = { ...this.view, ...change };
    for (const stream of this.#streams) this.#send(stream);
  }

  /** Views now open. */
  get streams() {
    return this.#streams.size;
  }

  #send(stream) {
    stream.write(`event: call\ndata: ${JSON.stringify({ rev: ++this.#rev, ...this.view })}\n\n`);
    if (this.view.ended) stream.end();
  }

  /** Requests of one kind so far. @param {string} method @param {string} path */
  count(method, path) {
    return this.seen.filter((s) => s.method === method && s.path.startsWith(path)).length;
  }

  async #route(request, response) {
    const path = new URL(request.url, this.url).pathname;
    const body = await text(request);
    const bearer = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    for (const [name, value] of Object.entries(SECURE)) response.setHeader(name, value);
    if (request.method === 'GET' && (path.startsWith('/join/') || path.startsWith('/assets/'))) return file(path, response);
    this.seen.push({ method: request.method, path, bearer, body });
    if (this.lose.delete(path)) return request.socket.destroy();
    const refusal = this.refuse.get(path);
    if (refusal) return problem(response, refusal);
    if (path === '/api/join') return json(response, 201, this.#joined({ rejoin: 'rejoin-token' }));
    if (!bearer && !path.startsWith('/whip/sessions/')) return problem(response, { status: 401, reason: 'REJOIN_UNKNOWN' });
    if (path === '/api/rejoin') return json(response, 200, this.#joined({}));
    if (path === '/api/call/events') return this.#events(request, response);
    if (path === '/api/call/chat') {
      this.push({ messages: [...this.view.messages, { at_ms: 1_700_000_000_000, from: 'you', text: JSON.parse(body).text }] });
      return response.writeHead(204).end();
    }
    if (path === '/api/call/leave') {
      this.push({ state: 'ended', ended: { reason: 'left', note: '' } });
      return response.writeHead(204).end();
    }
    if (path.startsWith('/whip/shows/')) return this.#whip(body, response);
    if (path.startsWith('/whip/sessions/')) {
      if (request.method === 'DELETE') this.push({ connected: false });
      return response.writeHead(request.method === 'PATCH' ? 204 : 200).end();
    }
    problem(response, { status: 404, reason: 'NOT_FOUND' });
  }

  #joined(more) {
    return { caller: 'c7k2', whip: '/whip/shows/main', show: 'main', show_title: 'Night Line', ice_servers: [], ...more };
  }

  #events(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.#streams.add(response);
    const timer = setInterval(() => this.beats && response.write(': beat\n\n'), 1000);
    response.on('close', () => {
      clearInterval(timer);
      this.#streams.delete(response);
    });
    this.#send(response);
  }

  async #whip(offer, response) {
    if (!this.answer) return problem(response, { status: 503, reason: 'SERVER_FULL', retryAfter: 1 });
    const answer = await this.answer(offer);
    response.writeHead(201, { 'Content-Type': 'application/sdp', Location: `/whip/sessions/${randomUUID()}`, ETag: '"1"' });
    response.end(answer);
    if (this.arrives) this.push({ connected: true, state: this.view.state === 'joining' ? 'waiting' : this.view.state });
  }
}

async function file(path, response) {
  const name = path.startsWith('/join/') ? 'index.html' : path.slice('/assets/'.length);
  const kind = { html: 'text/html', css: 'text/css', js: 'text/javascript' }[name.split('.').pop()];
  if (!/^[a-z]+\.(html|css|js)$/.test(name)) return response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': `${kind}; charset=utf-8` });
  response.end(await readFile(new URL(name, ROOT)));
}

async function text(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

function problem(response, { status, reason, detail = '', retryAfter = 0 }) {
  const headers = { 'Content-Type': 'application/problem+json' };
  if (retryAfter) headers['Retry-After'] = String(retryAfter);
  response.writeHead(status, headers);
  response.end(JSON.stringify({ type: 'about:blank', title: 'Refused', status, detail, reason }));
}

/**
 * A page that plays the server's media side: answers offers, sends a tone back, counts what arrives.
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 */
export async function mediaSide(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${url}/join/none`);
  await page.evaluate(() => {
    const side = (globalThis.side = { peers: [] });
    side.answer = async (offer) => {
      const pc = new RTCPeerConnection();
      side.peers.push(pc);
      await pc.setRemoteDescription({ type: 'offer', sdp: offer });
      const audio = pc.getTransceivers().find((t) => t.receiver.track.kind === 'audio');
      const context = new AudioContext();
      const tone = new OscillatorNode(context);
      const out = context.createMediaStreamDestination();
      tone.connect(out);
      tone.start();
      audio.direction = 'sendrecv';
      await audio.sender.replaceTrack(out.stream.getAudioTracks()[0]);
      await pc.setLocalDescription();
      if (pc.iceGatheringState !== 'complete') {
        await new Promise((resolve) => {
          pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
        });
      }
      return pc.localDescription.sdp;
    };
    side.closeAll = () => side.peers.splice(0).forEach((pc) => pc.close());
  });
  return {
    answer: (offer) => page.evaluate((sdp) => globalThis.side.answer(sdp), offer),
    /** As a killed server: silent from one moment to the next. */
    kill: () => page.evaluate(() => globalThis.side.closeAll()),
    close: () => context.close(),
  };
}
