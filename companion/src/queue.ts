import { type Caller, Caller_State } from '../gen/booth/v1/caller_pb';

export interface Counts {
  /** Waiting or being screened. */
  waiting: number;
  ready: number;
  held: number;
  /** All of the queue. */
  line: number;
}

export function counts(queue: Caller[]): Counts {
  const of = (...states: Caller_State[]) => queue.filter((caller) => states.includes(caller.state)).length;
  return {
    waiting: of(Caller_State.WAITING, Caller_State.SCREENING),
    ready: of(Caller_State.READY),
    held: of(Caller_State.HELD),
    line: queue.length,
  };
}
