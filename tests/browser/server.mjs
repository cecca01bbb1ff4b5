// The real server on free ports and a directory of its own, its command line, and what an SRT client gets from a slot.

import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BIN = resolve(import.meta.dirname, process.env.BOOTH_BIN_DIR ?? '../../target/debug');
const RTC_PORTS = 40;

/** Waits for a value, not for a time. @template T @param {() => Promise<T> | T} get @param {string} what @param {number} [ms] @returns {Promise<NonNullable<T>>} */
export async function eventually(get, what, ms = 15_000) {
  const end = performance.now() + ms;
  for (;;) {
    const got = await get();
    if (got) return got;
    if (performance.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}`);
    await new Promise((next) => setTimeout(next, 100));
  }
}

function freeTcp() {
  return new Promise((got, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => got(port));
    });
  });
}

/** @param {number} first @param {number} count */
async function udpFree(first, count) {
  const sockets = [];
  try {
    for (let port = first; port < first + count; port++) {
      const socket = createSocket('udp4');
      sockets.push(socket);
      await new Promise((got, failed) => {
        socket.once('error', failed);
        socket.bind(port, '127.0.0.1', got);
      });
    }
    return true;
  } catch {
    return false;
  } finally {
    for (const socket of sockets) socket.close();
  }
}

/** Below the range that the system gives out by itself. @param {number} count */
async function freeUdp(count) {
  for (let i = 0; i < 50; i++) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    if (await udpFree(first, count)) return first;
  }
  throw new Error(`no ${count} free UDP ports in a row`);
}

export class Server {
  #child = null;
  #dir = '';
  #args = [];
  #log = '';
  /** Units that outlive their server. @type {Set<number>} */
  #units = new Set();
  http = '';
  grpc = '';
  srtPort = 0;
  #extra;
  #ca;

  /** @param {Record<string, string>} [extra] settings beside the usual ones @param {string} [ca] file of the authority that signed the API's certificate */
  constructor(extra = {}, ca = '') {
    this.#extra = extra;
    this.#ca = ca;
    // A test run that is cut short must not leave a server behind; its units end by themselves (orphan_timeout_s).
    process.once('exit', () => this.#child?.kill('SIGKILL'));
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => process.exit(1));
  }

  async start() {
    if (!this.#dir) await this.#prepare();
    const child = spawn(join(BIN, 'boothd'), this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (piece) => (this.#log += piece));
    await new Promise((ready, failed) => {
      let out = '';
      child.once('error', failed);
      child.once('exit', (code) => failed(new Error(`boothd ended with ${code}: ${this.#log}`)));
      child.stdout.on('data', (piece) => /^ready\b/m.test((out += piece)) && ready(undefined));
      setTimeout(() => failed(new Error(`boothd was not ready within 20 s: ${this.#log}`)), 20_000).unref();
    });
    await eventually(async () => (await this.units()).length === 2, 'both slots’ workers');
    return this;
  }

  async #prepare() {
    this.#dir = await mkdtemp(join(tmpdir(), 'booth-browser-'));
    const [grpc, http] = [await freeTcp(), await freeTcp()];
    const rtc = await freeUdp(RTC_PORTS);
    this.srtPort = await freeUdp(2);
    this.grpc = `${this.#ca ? 'https' : 'http'}://127.0.0.1:${grpc}`;
    this.http = `http://127.0.0.1:${http}`;
    const sets = {
      'grpc.listen': `127.0.0.1:${grpc}`,
      'http.listen': `127.0.0.1:${http}`,
      'http.joins_per_minute': 1000,
      'rtc.udp_ports': `${rtc}-${rtc + RTC_PORTS - 1}`,
      'rtc.bind_ip': '127.0.0.1',
      'slots.first_port': this.srtPort,
      'slots.bind': '127.0.0.1',
      'rtmp.listen': '',
      'workers.orphan_timeout_s': 20,
      'workers.keep_on_stop': false,
      ...this.#extra,
    };
    this.#args = ['--data', join(this.#dir, 'data'), ...Object.entries(sets).flatMap(([k, v]) => ['--set', `${k}=${v}`])];
  }

  /** Process ids of the slots' workers. @returns {Promise<number[]>} */
  async units() {
    const status = await this.booth('status');
    const pids = (status.units ?? []).filter((u) => u.pid && u.name?.startsWith('slot')).map((u) => Number(u.pid));
    for (const pid of pids) this.#units.add(pid);
    return pids;
  }

  /** The command line, with its answer in JSON. @param {...string} words */
  async booth(...words) {
    const env = { ...process.env, BOOTH_SERVER: this.grpc, BOOTH_TOKEN_FILE: join(this.#dir, 'data', 'admin.token'), ...(this.#ca && { BOOTH_CA_FILE: this.#ca }) };
    try {
      const { stdout } = await run(join(BIN, 'booth'), [...words, '-o', 'json', '--yes', '--timeout', '20s'], { env });
      return stdout.trim() ? JSON.parse(stdout) : {};
    } catch (error) {
      throw new Error(`booth ${words.join(' ')}: ${error.stderr || error}`);
    }
  }

  /** The first admin's token. */
  async token() {
    return (await readFile(join(this.#dir, 'data', 'admin.token'), 'utf8')).trim();
  }

  async invite() {
    return (await this.booth('invite', 'create', '--uses', '0')).url;
  }

  /** Callers on the line. */
  async callers() {
    return (await this.booth('caller', 'list')).callers ?? [];
  }

  /** From one moment to the next, as a crash. */
  async kill() {
    const gone = this.#gone();
    this.#child.kill('SIGKILL');
    await gone;
  }

  /** In order; workers close their outputs. */
  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = this.#gone();
      this.#child.kill('SIGTERM');
      const hard = setTimeout(() => this.#child.kill('SIGKILL'), 8_000);
      await gone;
      clearTimeout(hard);
    }
  }

  #gone() {
    const child = this.#child;
    child.removeAllListeners('exit');
    return new Promise((gone) => child.once('exit', gone));
  }

  /** Leaves nothing behind, whatever happened. @param {boolean} [tell] print the server's log */
  async clear(tell = false) {
    if (tell) process.stderr.write(this.#log);
    if (this.#child) await this.stop();
    for (const pid of this.#units) {
      if (await isWorker(pid)) process.kill(pid, 'SIGKILL');
    }
    if (this.#dir) await rm(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }

  /**
   * What an SRT client gets from slot 1 for some seconds, as `ffmpeg` decodes it.
   * @param {number} seconds
   */
  async pull(seconds) {
    const out = await mkdtemp(join(tmpdir(), 'booth-pull-'));
    try {
      const url = `srt://127.0.0.1:${this.srtPort}?mode=caller&latency=120000&timeout=5000000`;
      const input = ['-v', 'error', '-analyzeduration', '1000000', '-probesize', '500000', '-i', url, '-t', String(seconds)];
      const video = ['-map', '0:v', '-vf', 'fps=10,scale=32:18', '-pix_fmt', 'rgb24', '-f', 'rawvideo', join(out, 'v')];
      const audio = ['-map', '0:a', '-t', String(seconds), '-ac', '1', '-ar', '8000', '-f', 's16le', join(out, 'a')];
      await run('ffmpeg', [...input, ...video, ...audio], { timeout: 40_000, killSignal: 'SIGKILL' });
      return { ...looks(await readFile(join(out, 'v'))), ...sounds(await readFile(join(out, 'a'))) };
    } finally {
      await rm(out, { recursive: true, force: true });
    }
  }

  /** Starts the independent judge on slot 1; it ends when the slot's output does. */
  judge() {
    const url = `srt://127.0.0.1:${this.srtPort}?latency=120`;
    const child = spawn(join(BIN, 'booth-judge'), [url, '--json', '--no-reconnect', '--duration', '120'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let talk = '';
    child.stdout.on('data', (piece) => (out += piece));
    child.stderr.on('data', (piece) => (talk += piece));
    const ended = new Promise((done) => child.once('close', done));
    return {
      watching: () => child.exitCode === null && child.signalCode === null,
      report: async () => {
        const patience = setTimeout(() => child.kill('SIGKILL'), 15_000);
        await ended;
        clearTimeout(patience);
        if (!out) throw new Error(`the judge said nothing: ${talk}`);
        return JSON.parse(out);
      },
      stop: () => child.kill('SIGKILL'),
    };
  }
}

/** Only ever ends what is still a unit of ours: process ids are used again. @param {number} pid */
async function isWorker(pid) {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('\0worker\0');
  } catch {
    return false;
  }
}

/** @param {Buffer} raw frames of 32 × 18 RGB */
function looks(raw) {
  const size = 32 * 18 * 3;
  const frames = Math.floor(raw.length / size);
  const mean = [0, 0, 0];
  let motion = 0;
  for (let f = 0; f < frames; f++) {
    let change = 0;
    for (let i = 0; i < size; i++) {
      const value = raw[f * size + i];
      mean[i % 3] += value / (frames * 32 * 18);
      if (f > 0) change += Math.abs(value - raw[(f - 1) * size + i]) / size;
    }
    motion = Math.max(motion, change);
  }
  const [red, green, blue] = mean;
  return { frames, red, green, blue, motion };
}

/** Loudest and quietest tenth of a second, in dBFS. @param {Buffer} raw 8 kHz, 16 bit */
function sounds(raw) {
  const levels = [];
  for (let at = 0; at + 1600 <= raw.length; at += 1600) {
    let sum = 0;
    for (let i = 0; i < 1600; i += 2) sum += (raw.readInt16LE(at + i) / 32768) ** 2;
    levels.push(10 * Math.log10(sum / 800 + 1e-10));
  }
  return { loudest: Math.max(-100, ...levels), quietest: Math.min(0, ...levels), heard_ms: levels.length * 100 };
}
