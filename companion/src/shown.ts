// Values that Companion has already: only what differs is sent.

import type { CompanionVariableValues } from '@companion-module/base';

export class Shown {
  readonly #values = new Map<string, unknown>();
  #defined = new Set<string>();

  constructor(readonly send: (changed: CompanionVariableValues) => void) {}

  set(values: CompanionVariableValues): void {
    const changed: CompanionVariableValues = {};
    let any = false;
    for (const [id, value] of Object.entries(values)) {
      if (this.#values.get(id) === value || !this.#defined.has(id)) continue;
      this.#values.set(id, value);
      changed[id] = value;
      any = true;
    }
    if (any) this.send(changed);
  }

  /** Variables that are defined from now on; values of others are forgotten. */
  only(ids: Set<string>): void {
    this.#defined = ids;
    for (const id of this.#values.keys()) if (!ids.has(id)) this.#values.delete(id);
  }

  reset(): void {
    this.#values.clear();
  }
}
