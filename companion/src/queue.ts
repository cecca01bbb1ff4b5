import { type Caller, Caller_State } from '../gen/booth/v1/caller_pb';

export interface Counts {
  /** Waiting or being screened. */
  waiting: number;
  ready: number;
  held: number;
  /** All of the queue. */
  line: number;
}

/** A queue is counted once, however many buttons ask. */
const counted = new WeakMap<Caller[], Counts>();

export function counts(queue: Caller[]): Counts {
  let known = counted.get(queue);
  if (!known) counted.set(queue, (known = count(queue)));
  return known;
}

function count(queue: Caller[]): Counts {
  const all = { waiting: 0, ready: 0, held: 0, line: queue.length };
  for (const { state } of queue) {
    if (state === Caller_State.WAITING || state === Caller_State.SCREENING) all.waiting++;
    else if (state === Caller_State.READY) all.ready++;
    else if (state === Caller_State.HELD) all.held++;
  }
  return all;
}
