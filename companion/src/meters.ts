// The latest levels and quality. They come often and are lossy: who reads them compares before telling Companion.

import type { CallerMeters, SlotMeters, WatchMetersResponse } from '../gen/booth/v1/watch_pb';

/** A clipped sample is shorter than a glance. */
const CLIP_HOLD_MS = 1_500;
/** Sample peak of the output from which it is called clipped, in dBFS. */
const CLIP_DBFS = -0.1;
/** Older readings are not shown as if they were news. */
const FRESH_MS = 5_000;

export class Meters {
  #slots = new Map<string, SlotMeters>();
  #callers = new Map<string, CallerMeters>();
  readonly #clipped = new Map<string, number>();
  #at = Number.NEGATIVE_INFINITY;

  /** `now` in milliseconds of a clock that never goes back. */
  apply(reading: WatchMetersResponse, now: number): void {
    this.#slots = new Map(reading.slots.map((slot) => [slot.name, slot]));
    this.#callers = new Map(reading.callers.map((caller) => [caller.name, caller]));
    this.#at = now;
    for (const slot of reading.slots) {
      if (Math.max(...slot.peakDbfs) >= CLIP_DBFS) this.#clipped.set(slot.name, now + CLIP_HOLD_MS);
    }
    for (const caller of reading.callers) {
      if (caller.clipping) this.#clipped.set(caller.name, now + CLIP_HOLD_MS);
    }
    for (const [name, until] of this.#clipped) if (until <= now) this.#clipped.delete(name);
  }

  slot(name: string, now: number): SlotMeters | undefined {
    return now - this.#at < FRESH_MS ? this.#slots.get(name) : undefined;
  }

  caller(name: string, now: number): CallerMeters | undefined {
    return now - this.#at < FRESH_MS ? this.#callers.get(name) : undefined;
  }

  clips(name: string, now: number): boolean {
    return (this.#clipped.get(name) ?? 0) > now;
  }

  /** Changes whenever a feedback that reads meters may. */
  digest(now: number): string {
    const clipped = [...this.#clipped].filter(([, until]) => until > now).map(([name]) => name);
    if (now - this.#at >= FRESH_MS) return 'stale';
    const scores = [...this.#callers.values()].map((caller) => `${caller.name}=${caller.score}`);
    return `${clipped.join()}|${scores.join()}`;
  }
}

/** Loudest side of a slot, in whole dBFS. */
export function level(meters: SlotMeters | undefined): number | undefined {
  if (!meters || meters.rmsDbfs.length === 0) return undefined;
  return Math.round(Math.max(-120, ...meters.rmsDbfs));
}
