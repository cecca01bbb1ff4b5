// Pauses between attempts: doubling up to a limit, half of each by chance, so that many desks do not come back at once.

export class Backoff {
  #next: number;

  constructor(
    readonly firstMs: number,
    readonly mostMs: number,
  ) {
    this.#next = firstMs;
  }

  /** The next pause, in milliseconds. */
  pause(): number {
    const most = this.#next;
    this.#next = Math.min(this.#next * 2, this.mostMs);
    return most / 2 + (Math.random() * most) / 2;
  }

  reset(): void {
    this.#next = this.firstMs;
  }
}

/** Waits; ends early, without an error, when `signal` aborts. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      done();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener('abort', over);
  });
}
