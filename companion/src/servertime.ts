// The server's clock as seen from here. Elapsed times are the server's: the two machines' clocks need not agree.

/** Messages that were held up on the way make the server seem to be behind; the least delayed one of these counts. */
const SAMPLES = 16;

export class ServerTime {
  readonly #offsets: number[] = [];

  /** `server`, `here`: milliseconds since the Unix epoch. */
  heard(server: number, here: number): void {
    this.#offsets.push(server - here);
    if (this.#offsets.length > SAMPLES) this.#offsets.shift();
  }

  now(here: number): number {
    return this.#offsets.length > 0 ? here + Math.max(...this.#offsets) : here;
  }

  reset(): void {
    this.#offsets.length = 0;
  }
}
