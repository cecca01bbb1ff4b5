// What actions work with: the mirror to find out who is meant, the API to send, and the place where refusals are shown.

import type { Api } from './api';
import type { Mirror } from './mirror';
import type { Presses } from './press';

export interface Desk {
  readonly mirror: Mirror;
  readonly show: string;
  /** The way to the server; throws a `Refusal` when what is shown here is not current. */
  live(): { api: Api; presses: Presses };
  /** Runs a press; a refusal becomes `last_error` and a line in the log, never an exception. */
  press(what: string, run: () => Promise<void>): Promise<void>;
}
