// What the server said last: shows, callers, slots, channels. Only the watch stream writes here; nothing is guessed.

import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';

import { type Caller, Caller_State } from '../gen/booth/v1/caller_pb';
import type { Channel } from '../gen/booth/v1/channel_pb';
import { type Destination, Destination_State } from '../gen/booth/v1/destination_pb';
import type { Show } from '../gen/booth/v1/show_pb';
import { type Slot, Slot_Showing } from '../gen/booth/v1/slot_pb';
import type { Snapshot, WatchResponse } from '../gen/booth/v1/watch_pb';
import { plain } from './text';

class Resources {
  readonly shows = new Map<string, Show>();
  readonly callers = new Map<string, Caller>();
  readonly slots = new Map<string, Slot>();
  readonly channels = new Map<string, Channel>();

  add(part: Snapshot): void {
    for (const show of part.shows) this.shows.set(show.name, show);
    for (const caller of part.callers) this.callers.set(caller.name, caller);
    for (const slot of part.slots) this.slots.set(slot.name, slot);
    for (const channel of part.channels) this.channels.set(channel.name, channel);
  }
}

export class Mirror {
  #now = new Resources();
  /** A snapshot of which parts are still missing. */
  #coming: Resources | undefined;
  /** Who changed a slot last. */
  readonly #actors = new Map<string, string>();
  /** By show; made when asked for, since a queue may be long and is asked for by many buttons. */
  readonly #queues = new Map<string, Caller[]>();
  /** Where a broken stream may be taken up again; 0 for a new snapshot. */
  revision = 0n;

  /** Takes in one message; true when what can be seen has changed. */
  apply(message: WatchResponse): boolean {
    const { message: is } = message;
    this.#queues.clear();
    if (is.case === 'snapshot') {
      this.#coming ??= new Resources();
      this.#coming.add(is.value);
      if (is.value.more) return false;
      this.#now = this.#coming;
      this.#coming = undefined;
      this.revision = message.revision;
      return true;
    }
    // Whatever else comes ends a snapshot that was broken off.
    this.#coming = undefined;
    this.revision = message.revision;
    if (is.case !== 'change') return false;
    for (const { resource } of is.value.resources) {
      switch (resource.case) {
        case 'show':
          this.#now.shows.set(resource.value.name, resource.value);
          break;
        case 'caller':
          this.#now.callers.set(resource.value.name, resource.value);
          break;
        case 'slot':
          this.#now.slots.set(resource.value.name, resource.value);
          if (is.value.actor !== 'system') this.#actors.set(resource.value.name, is.value.actor);
          break;
        case 'channel':
          this.#now.channels.set(resource.value.name, resource.value);
          break;
        case 'deleted':
          this.#delete(resource.value);
          break;
      }
    }
    return is.value.resources.length > 0;
  }

  /** Drops the parts of a snapshot that a broken stream left unfinished. */
  broken(): void {
    this.#coming = undefined;
  }

  #delete(name: string): void {
    const { shows, callers, slots, channels } = this.#now;
    for (const map of [shows, callers, slots, channels]) map.delete(name);
    this.#actors.delete(name);
  }

  get slots(): Slot[] {
    return [...this.#now.slots.values()].sort((a, b) => byName(a.name, b.name));
  }

  get channels(): Channel[] {
    return [...this.#now.channels.values()].sort((a, b) => byName(a.name, b.name));
  }

  show(id: string): Show | undefined {
    return this.#now.shows.get(`shows/${id}`);
  }

  slot(id: string): Slot | undefined {
    return this.#now.slots.get(`slots/${id}`);
  }

  channel(id: string): Channel | undefined {
    return this.#now.channels.get(`channels/${id}`);
  }

  /** By `channel/destination`. */
  destination(path: string): Destination | undefined {
    const [channel, id] = path.split('/');
    const name = `channels/${channel}/destinations/${id}`;
    return this.channel(channel ?? '')?.destinations.find((found) => found.name === name);
  }

  caller(name: string): Caller | undefined {
    return this.#now.callers.get(name);
  }

  /** Everybody in a show's queue, in its order. */
  queue(show: string): Caller[] {
    const known = this.#queues.get(show);
    if (known) return known;
    const names = this.#now.shows.get(`shows/${show}`)?.queue ?? [];
    const queue = names.map((name) => this.#now.callers.get(name)).filter((caller) => caller !== undefined);
    this.#queues.set(show, queue);
    return queue;
  }

  /** Whom the server would take next: first in the queue who is READY and whose media arrives. */
  next(show: string): Caller | undefined {
    return this.queue(show).find((caller) => caller.state === Caller_State.READY && caller.connected);
  }

  /** By full name, id, or the name shown when only one on the line has it. */
  find(show: string, who: string): Caller | undefined {
    const exact = this.#now.callers.get(who) ?? this.#now.callers.get(`shows/${show}/callers/${who}`);
    if (exact || !who) return exact;
    const named = [...this.#now.callers.values()].filter(
      (caller) => caller.state !== Caller_State.ENDED && caller.displayName === who,
    );
    return named.length === 1 ? named[0] : undefined;
  }

  /** Name of a caller to show, by the resource's name. */
  nameOf(caller: string): string {
    const known = this.#now.callers.get(caller);
    return plain(known?.displayName || caller.slice(caller.lastIndexOf('/') + 1));
  }

  /** Who changed a slot last, to show. */
  actorOf(slot: string): string {
    return plain((this.#actors.get(slot) ?? '').replace(/^operators\//, ''));
  }
}

const NUMBERS = new Intl.Collator('en', { numeric: true });

/** `slots/2` before `slots/10`. */
function byName(a: string, b: string): number {
  return NUMBERS.compare(a, b);
}

/** Name of the caller whom the slot's output shows, moving or frozen. */
export function onAir(slot: Slot | undefined): string {
  const showing = slot?.showing === Slot_Showing.CALLER || slot?.showing === Slot_Showing.FROZEN;
  return showing ? slot.showingCaller : '';
}

/** Wanted and shown differ: a take or a release is on its way. */
export function pending(slot: Slot): boolean {
  return slot.assignedCaller !== onAir(slot);
}

/** Enabled, its channel on air, and no stream arrives there. */
export function down(channel: Channel, destination: Destination): boolean {
  return channel.running && destination.enabled && destination.state !== Destination_State.LIVE;
}

export function millis(time: Timestamp | undefined): number {
  return time ? timestampMs(time) : 0;
}
