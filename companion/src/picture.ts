// A tile as Companion draws it: the server's JPEG decoded and scaled to the button, as raw pixels. Companion names PNG
// and raw pixels only; raw needs no encoder, and what is sent is as small as the button.

import type { CompanionAdvancedFeedbackResult } from '@companion-module/base';
import { decode } from 'jpeg-js';

/** Tiles have 320x180; a server that sends more is not believed. */
const MEGAPIXELS_MAX = 1;
const MEMORY_MAX_MB = 32;
const BUTTON_MAX = 512;

export class Picture {
  readonly #rgba: Uint8Array;
  readonly #width: number;
  readonly #height: number;
  readonly #drawn = new Map<string, CompanionAdvancedFeedbackResult>();

  /** Throws when `jpeg` is none. */
  constructor(jpeg: Uint8Array) {
    const raw = decode(jpeg, { useTArray: true, maxResolutionInMP: MEGAPIXELS_MAX, maxMemoryUsageInMB: MEMORY_MAX_MB });
    this.#rgba = raw.data;
    this.#width = raw.width;
    this.#height = raw.height;
  }

  /** For a button of this size: `fill` cuts off what does not fit, anything else shows the whole picture. */
  on(buttonWidth: number, buttonHeight: number, fit: string): CompanionAdvancedFeedbackResult {
    const width = Math.min(BUTTON_MAX, Math.max(1, Math.floor(buttonWidth)));
    const height = Math.min(BUTTON_MAX, Math.max(1, Math.floor(buttonHeight)));
    const key = `${width}x${height}${fit === 'fill'}`;
    let drawn = this.#drawn.get(key);
    if (!drawn) this.#drawn.set(key, (drawn = this.#draw(width, height, fit === 'fill')));
    return drawn;
  }

  #draw(buttonWidth: number, buttonHeight: number, fill: boolean): CompanionAdvancedFeedbackResult {
    const across = buttonWidth / this.#width;
    const down = buttonHeight / this.#height;
    const scale = fill ? Math.max(across, down) : Math.min(across, down);
    const width = Math.max(1, Math.min(buttonWidth, Math.round(this.#width * scale)));
    const height = Math.max(1, Math.min(buttonHeight, Math.round(this.#height * scale)));
    return {
      imageBuffer: Buffer.from(this.#scaled(width, height, scale)).toString('base64'),
      imageBufferEncoding: { pixelFormat: 'RGB' },
      imageBufferPosition: {
        x: Math.floor((buttonWidth - width) / 2),
        y: Math.floor((buttonHeight - height) / 2),
        width,
        height,
      },
    };
  }

  /** The middle of the picture at `scale`, each pixel the mean of those it stands for. */
  #scaled(width: number, height: number, scale: number): Uint8Array {
    const out = new Uint8Array(width * height * 3);
    const left = (this.#width - width / scale) / 2;
    const top = (this.#height - height / scale) / 2;
    const span = (at: number, from: number, most: number): [number, number] => {
      const first = Math.min(most - 1, Math.max(0, Math.floor(from + at / scale)));
      return [first, Math.min(most, Math.max(first + 1, Math.floor(from + (at + 1) / scale)))];
    };
    for (let y = 0; y < height; y++) {
      const [y0, y1] = span(y, top, this.#height);
      for (let x = 0; x < width; x++) {
        const [x0, x1] = span(x, left, this.#width);
        const sum = [0, 0, 0];
        for (let sy = y0; sy < y1; sy++) {
          for (let sx = x0; sx < x1; sx++) {
            const at = (sy * this.#width + sx) * 4;
            for (let c = 0; c < 3; c++) sum[c]! += this.#rgba[at + c]!;
          }
        }
        const count = (y1 - y0) * (x1 - x0);
        for (let c = 0; c < 3; c++) out[(y * width + x) * 3 + c] = sum[c]! / count;
      }
    }
    return out;
  }
}
