// Pictures for the buttons that show some, fetched once a second and only those. A picture that is not renewed is taken
// off the button: an old face looks like a live one.

import { Code } from '@connectrpc/connect';

import type { Api } from './api';
import { wait } from './backoff';
import { Picture } from './picture';
import { refusal } from './refusal';

const PERIOD_MS = 1_000;
const ANSWER_MS = 2_000;
const OLD_MS = 5_000;
/** Different pictures at a time: more than a large control surface has buttons. */
const WANTED_MAX = 32;

export interface Of {
  kind: 'slot' | 'caller';
  name: string;
}

interface Kept {
  picture: Picture;
  /** When it was made, by the server's clock. */
  atMs: bigint;
}

export interface TilesHost {
  /** Whether the server can be asked. */
  on(): boolean;
  /** The server's clock, in milliseconds. */
  now(): number;
  changed(feedbackIds: string[]): void;
}

export class Tiles {
  /** By feedback. */
  readonly #wanted = new Map<string, Of>();
  readonly #kept = new Map<string, Kept>();

  constructor(readonly host: TilesHost) {}

  want(feedbackId: string, of: Of | undefined): Picture | undefined {
    if (!of) {
      this.#wanted.delete(feedbackId);
      return undefined;
    }
    this.#wanted.set(feedbackId, of);
    return this.#kept.get(of.name)?.picture;
  }

  forget(feedbackId: string): void {
    this.#wanted.delete(feedbackId);
  }

  /** Fetches until `signal` aborts. */
  async run(api: Api, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wanted = this.host.on() ? [...this.#wanted.values()] : [];
      const names = new Map(wanted.map((of) => [of.name, of]));
      for (const of of [...names.values()].slice(0, WANTED_MAX)) {
        if (signal.aborted) return;
        if (await this.#fetch(api, of, signal)) this.#tell(of.name);
      }
      for (const [name, { atMs }] of this.#kept) if (this.#old(atMs) || !names.has(name)) this.#drop(name);
      await wait(PERIOD_MS, signal);
    }
  }

  /** What is shown is not current any more. */
  clear(): void {
    for (const name of [...this.#kept.keys()]) this.#drop(name);
  }

  /** True when there is another picture than before. */
  async #fetch(api: Api, of: Of, signal: AbortSignal): Promise<boolean> {
    try {
      const call = { signal, timeoutMs: ANSWER_MS };
      const { tile } =
        of.kind === 'slot' ? await api.slots.getSlotTile({ name: of.name }, call) : await api.callers.getCallerTile({ name: of.name }, call);
      if (!tile || signal.aborted || this.#old(tile.atMs) || this.#kept.get(of.name)?.atMs === tile.atMs) return false;
      this.#kept.set(of.name, { picture: new Picture(tile.jpeg), atMs: tile.atMs });
      return true;
    } catch (error) {
      if (refusal(error).code === Code.NotFound) this.#drop(of.name);
      return false;
    }
  }

  #old(atMs: bigint): boolean {
    return this.host.now() - Number(atMs) > OLD_MS;
  }

  #drop(name: string): void {
    if (this.#kept.delete(name)) this.#tell(name);
  }

  #tell(name: string): void {
    const ids = [...this.#wanted].filter(([, of]) => of.name === name).map(([id]) => id);
    if (ids.length > 0) this.host.changed(ids);
  }
}
