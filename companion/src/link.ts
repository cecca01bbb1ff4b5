// The connection to one server: who we are there, its state as a stream, its levels as another one.
//
//   CONNECTING ──answers──▶ LIVE ──stream ends, or is silent──▶ LOST ──pause──▶ CONNECTING
//        └──────────── refused ───────────────────────────────────▲
//
// A connection can be dead without any sign of it; heartbeats that do not come are the sign.

import { InstanceStatus } from '@companion-module/base';
import { Code } from '@connectrpc/connect';

import type { Operator } from '../gen/booth/v1/operator_pb';
import { Role } from '../gen/booth/v1/common_pb';
import type { WatchMetersResponse, WatchResponse } from '../gen/booth/v1/watch_pb';
import type { Api } from './api';
import { Backoff, wait } from './backoff';
import { type Refusal, refusal } from './refusal';
import { plain } from './text';

const HEARTBEAT_S = 2;
/** Two heartbeats and a slow network. */
const SILENCE_MS = 6_000;
const ANSWER_MS = 5_000;
const FIRST_PAUSE_MS = 250;
const MOST_PAUSE_MS = 10_000;
/** A wrong token does not become right by asking often. */
const REFUSED_PAUSE_MS = 15_000;
const METERS_PAUSE_MS = 2_000;

export interface LinkEvents {
  status(status: InstanceStatus, message: string | null): void;
  /** The server answered, before anything is streamed. */
  met(server: { version: string; operator: Operator | undefined }): void;
  message(message: WatchResponse): void;
  meters(reading: WatchMetersResponse): void;
  /** What was streamed is not current any more. */
  lost(why: Refusal): void;
  log(level: 'info' | 'warn' | 'debug', line: string): void;
}

export class Link {
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff(FIRST_PAUSE_MS, MOST_PAUSE_MS);

  constructor(
    readonly api: Api,
    readonly moduleVersion: string,
    readonly meterRate: number,
    readonly since: () => bigint,
    readonly on: LinkEvents,
  ) {}

  /** Until `close`: connects, and connects again. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    this.on.status(InstanceStatus.Connecting, null);
    while (!signal.aborted) {
      let why: Refusal;
      try {
        await this.#session();
        why = refusal(new Error('the server ended the stream'));
      } catch (error) {
        why = refusal(error);
      }
      if (signal.aborted) break;
      this.on.lost(why);
      const [status, message] = failure(why);
      this.on.status(status, message);
      const refused = status !== InstanceStatus.ConnectionFailure;
      await wait(refused ? REFUSED_PAUSE_MS * (0.75 + Math.random() / 2) : this.#backoff.pause(), signal);
    }
  }

  close(): void {
    this.#stop.abort();
    this.api.close();
  }

  async #session(): Promise<void> {
    const session = new AbortController();
    const signal = AbortSignal.any([session.signal, this.#stop.signal]);
    try {
      const call = { signal, timeoutMs: ANSWER_MS };
      const server = await this.api.system.getStatus({}, call);
      const { operator } = await this.api.operators.whoAmI({}, call);
      const version = plain(server.version, 40);
      this.on.met({ version, operator });
      await this.#follow(session, signal, this.#standing(version, operator));
    } finally {
      session.abort();
    }
  }

  /** What is said of a connection that works. */
  #standing(version: string, operator: Operator | undefined): [InstanceStatus, string | null] {
    if (!compatible(version, this.moduleVersion)) {
      const told = `server ${version || '?'}, module ${this.moduleVersion}: some buttons may not work`;
      this.on.log('warn', `Made for another version: ${told}`);
      return [InstanceStatus.UnknownWarning, told];
    }
    if (operator && operator.role < Role.OPERATOR) {
      this.on.log('info', `Signed in as ${Role[operator.role]}: tally works, buttons that need OPERATOR are refused`);
    }
    return [InstanceStatus.Ok, null];
  }

  async #follow(session: AbortController, signal: AbortSignal, standing: [InstanceStatus, string | null]): Promise<void> {
    let silent = false;
    const listen = () =>
      setTimeout(() => {
        silent = true;
        session.abort();
      }, SILENCE_MS);
    let watchdog = listen();
    let told = false;
    try {
      const stream = this.api.watch.watch({ since: this.since(), heartbeatS: HEARTBEAT_S }, { signal });
      for await (const message of stream) {
        clearTimeout(watchdog);
        watchdog = listen();
        this.on.message(message);
        const partial = message.message.case === 'snapshot' && message.message.value.more;
        if (told || partial) continue;
        told = true;
        this.#backoff.reset();
        this.on.status(...standing);
        if (this.meterRate > 0) void this.#meter(signal);
      }
    } catch (error) {
      if (silent) throw new Error(`nothing heard from the server for ${SILENCE_MS / 1000} s`);
      throw error;
    } finally {
      clearTimeout(watchdog);
    }
  }

  /** Levels, as long as the session lasts. They are worth less than the state, so their failing does not end it. */
  async #meter(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const reading of this.api.watch.watchMeters({ rate: this.meterRate }, { signal })) this.on.meters(reading);
      } catch (error) {
        if (!signal.aborted) this.on.log('debug', `Levels: ${refusal(error).message}`);
      }
      await wait(METERS_PAUSE_MS, signal);
    }
  }
}

/** How a failed connection is shown in Companion. */
function failure(why: Refusal): [InstanceStatus, string] {
  switch (why.code) {
    case Code.Unauthenticated:
      return [InstanceStatus.AuthenticationFailure, why.message];
    case Code.PermissionDenied:
      return [InstanceStatus.InsufficientPermissions, why.message];
    default:
      return [InstanceStatus.ConnectionFailure, why.message];
  }
}

/** The same major version, and before 1.0 the same minor one. */
export function compatible(server: string, module: string): boolean {
  const line = (version: string) => {
    const [major = '', minor = ''] = version.split('.');
    return major === '0' ? `0.${minor}` : major;
  };
  return line(server) === line(module);
}
