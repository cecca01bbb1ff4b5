// How long to wait before trying again, and waiting that can be cut short.

export const FIRST_MS = 250;
export const LONGEST_MS = 5000;

/**
 * Doubles from 0.25 s to `longestMs`; half of it is chance, so that callers do not all come back in the same moment.
 * @param {number} attempt 0 for the first retry
 * @param {number} [longestMs]
 * @param {() => number} [random]
 * @returns {number} milliseconds
 */
export function backoffMs(attempt, longestMs = LONGEST_MS, random = Math.random) {
  const full = Math.min(longestMs, FIRST_MS * 2 ** Math.min(attempt, 20));
  return Math.round(full / 2 + (full / 2) * random());
}

/** A wait that `wake()` ends early: the network came back, or the page is looked at again. */
export class Pause {
  #wake = () => {};

  /** @param {number} ms */
  wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  wake() {
    this.#wake();
  }
}
