// One press of a button on its way to the server.
//
// - It has a request id: sent again after an answer was lost, it is carried out once.
// - It carries the revision of what the operator saw. When that has changed, the server refuses; then it is looked at
//   again, and only when what matters to this press is as it was seen, the press is sent anew.
// - Presses about slots go one after the other, and each waits until the state that the one before left is seen here.

import { randomUUID } from 'node:crypto';

import { Code } from '@connectrpc/connect';

import { wait } from './backoff';
import { mayRepeat, Refusal, refusal } from './refusal';

/**
 * Later than this after the press, nothing of it is sent any more: what is late must not surprise on air. Companion itself
 * waits 5 s for an action, the moment of catching up included.
 */
const PRESS_MS = 3_500;
const ATTEMPT_MS = 1_500;
const REPEAT_PAUSE_MS = 150;
/** Of one press, when the resource keeps changing. */
const LOOKS = 4;
/** Presses on their way at a time. More of them come from a stuck macro, not from hands. */
const PRESSES = 32;

export interface Call {
  timeoutMs: number;
  signal: AbortSignal;
}

/** What every mutation of the API takes. */
export interface Mutation {
  requestId: string;
  expectedRevision: bigint;
}

export interface Seen<T extends { revision: bigint }> {
  /** As the operator saw it at the press. */
  seen: T;
  read(call: Call): Promise<T | undefined>;
  /** Nothing when what matters is as it was seen, or in a few words what is different. */
  differs(now: T): string | undefined;
}

export type Send = (mutation: Mutation, call: Call) => Promise<{ revision: bigint }>;

export class Presses {
  readonly #stop = new AbortController();
  #open = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    /** Resolves once the state of this revision is seen here, or after a moment. */
    readonly caughtUp: (revision: bigint) => Promise<void>,
  ) {}

  close(): void {
    this.#stop.abort();
  }

  /** Carries a press out; throws a `Refusal`. */
  async run(press: (deadline: Deadline) => Promise<{ revision: bigint }>): Promise<void> {
    if (this.#open >= PRESSES) throw new Refusal('TOO_MANY_PRESSES', `${PRESSES} presses wait for the server already`);
    this.#open++;
    try {
      await press(new Deadline(this.#stop.signal));
    } catch (error) {
      throw refusal(error);
    } finally {
      this.#open--;
    }
  }

  /** As `run`, after the presses before it. */
  async inTurn(press: (deadline: Deadline) => Promise<{ revision: bigint }>): Promise<void> {
    const before = this.#last;
    const mine = this.run(async (deadline) => {
      await before.catch(() => undefined);
      const done = await press(deadline);
      await this.caughtUp(done.revision);
      return done;
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

export class Deadline {
  readonly #end = performance.now() + PRESS_MS;

  constructor(readonly signal: AbortSignal) {}

  #call(): Call {
    const left = this.#end - performance.now();
    if (left <= 0 || this.signal.aborted) throw new Refusal('TIMED_OUT', 'no answer from the server in time');
    return { timeoutMs: Math.max(1, Math.min(ATTEMPT_MS, left)), signal: this.signal };
  }

  /** Sends a mutation that asks for what was seen. */
  async guarded<T extends { revision: bigint }>(guard: Seen<T>, send: Send): Promise<{ revision: bigint }> {
    let { revision } = guard.seen;
    for (let look = 1; ; look++) {
      try {
        return await this.#once(revision, send);
      } catch (error) {
        const refused = refusal(error);
        if (refused.reason !== 'REVISION_MISMATCH' || look === LOOKS) throw refused;
        const now = await guard.read(this.#call());
        if (!now) throw refused;
        const different = guard.differs(now);
        if (different) throw new Refusal('CHANGED_MEANWHILE', different, Code.Aborted);
        revision = now.revision;
      }
    }
  }

  /** Sends one mutation under one request id, until it is answered. */
  async #once(expectedRevision: bigint, send: Send): Promise<{ revision: bigint }> {
    const mutation = { requestId: randomUUID(), expectedRevision };
    for (;;) {
      try {
        return await send(mutation, this.#call());
      } catch (error) {
        const refused = refusal(error);
        const pause = REPEAT_PAUSE_MS;
        if (!mayRepeat(refused) || performance.now() + pause >= this.#end) throw refused;
        await wait(pause, this.signal);
      }
    }
  }
}
