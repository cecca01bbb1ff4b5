// What buttons can write. Ids are `slot_1_caller`, `channel_radio_source`, `destination_radio_youtube_state`, …

import type { CompanionVariableValues } from '@companion-module/base';

import { Caller_State } from '../gen/booth/v1/caller_pb';
import { type Channel, Channel_Force, Channel_Showing } from '../gen/booth/v1/channel_pb';
import { Destination_State } from '../gen/booth/v1/destination_pb';
import { type Slot, Slot_Showing } from '../gen/booth/v1/slot_pb';
import { level, type Meters } from './meters';
import { millis, type Mirror, onAir } from './mirror';
import { counts } from './queue';
import { clock, idOf, plain } from './text';

/** Places of the queue that have variables: a row of buttons. */
export const PLACES = 8;

type Names = Record<string, { name: string }>;

export function definitions(mirror: Mirror): Names {
  const names: Names = {
    connection: { name: 'Connection: “connected”, or why not' },
    server_version: { name: 'Version of the server' },
    operator: { name: 'Whose token it is' },
    role: { name: 'What the token may do' },
    last_error: { name: 'Why the last press was refused; empty once one is accepted' },
    last_error_reason: { name: 'The same as a word (docs/errors.md)' },
    queue_waiting: { name: 'Queue: callers waiting or being screened' },
    queue_ready: { name: 'Queue: callers ready' },
    queue_held: { name: 'Queue: callers held' },
    queue_length: { name: 'Queue: callers in it' },
    queue_next: { name: 'Queue: next caller to air' },
    queue_next_topic: { name: 'Queue: topic of the next caller' },
    queue_unready: { name: 'Queue: first caller to be screened or approved' },
    queue_unready_topic: { name: 'Queue: topic of the first caller to be screened or approved' },
    channels_on_backup: { name: 'Channels on backup or slate' },
    destinations_up: { name: 'Destinations live' },
    destinations_wanted: { name: 'Destinations that should be live' },
  };
  for (let place = 1; place <= PLACES; place++) {
    names[`queue_${place}_caller`] = { name: `Queue: caller at place ${place}` };
    names[`queue_${place}_topic`] = { name: `Queue: topic at place ${place}` };
    names[`queue_${place}_state`] = { name: `Queue: state at place ${place}` };
  }
  for (const slot of mirror.slots) {
    const id = idOf(slot.name);
    const of = (what: string, name: string) => (names[`slot_${id}_${what}`] = { name: `Slot ${id}: ${name}` });
    of('title', 'title');
    of('state', 'what the output shows');
    of('caller', 'caller on air');
    of('topic', 'topic of the caller on air');
    of('next', 'caller armed');
    of('elapsed', 'time on air');
    of('elapsed_s', 'time on air in seconds');
    of('level', 'level of the output in dBFS');
    of('clients', 'receivers connected');
  }
  for (const channel of mirror.channels) {
    const id = idOf(channel.name);
    const of = (what: string, name: string) => (names[`channel_${id}_${what}`] = { name: `Channel ${id}: ${name}` });
    of('title', 'title');
    of('source', 'what it shows');
    of('time', 'time on this source');
    of('time_s', 'time on this source in seconds');
    of('mode', 'automatic or forced');
    of('alert', 'first alert');
    of('destinations_up', 'destinations live');
    of('destinations_wanted', 'destinations that should be live');
    for (const destination of channel.destinations) {
      const to = idOf(destination.name);
      names[`destination_${id}_${to}_state`] = { name: `Destination ${id}/${to}: state` };
      names[`destination_${id}_${to}_error`] = { name: `Destination ${id}/${to}: last error` };
    }
  }
  return names;
}

/** Values that follow from the server's state; times count on from `serverMs`, its clock. */
export function values(mirror: Mirror, show: string, serverMs: number): CompanionVariableValues {
  const out: CompanionVariableValues = {};
  queue(out, mirror, show);
  for (const slot of mirror.slots) slotValues(out, mirror, slot, serverMs);
  let backups = 0;
  let [up, wanted] = [0, 0];
  for (const channel of mirror.channels) {
    const [ups, wants] = channelValues(out, channel, serverMs);
    up += ups;
    wanted += wants;
    if (channel.showing === Channel_Showing.BACKUP || channel.showing === Channel_Showing.SLATE) backups++;
  }
  out['channels_on_backup'] = backups;
  out['destinations_up'] = up;
  out['destinations_wanted'] = wanted;
  return out;
}

function queue(out: CompanionVariableValues, mirror: Mirror, show: string): void {
  const line = mirror.queue(show);
  const { waiting, ready, held, line: length } = counts(line);
  Object.assign(out, { queue_waiting: waiting, queue_ready: ready, queue_held: held, queue_length: length });
  const next = mirror.next(show);
  out['queue_next'] = next ? mirror.nameOf(next.name) : '';
  out['queue_next_topic'] = plain(next?.topic ?? '', 120);
  const unready = line.find(({ state }) => state === Caller_State.WAITING || state === Caller_State.SCREENING);
  out['queue_unready'] = unready ? mirror.nameOf(unready.name) : '';
  out['queue_unready_topic'] = plain(unready?.topic ?? '', 120);
  for (let place = 1; place <= PLACES; place++) {
    const caller = line[place - 1];
    out[`queue_${place}_caller`] = caller ? mirror.nameOf(caller.name) : '';
    out[`queue_${place}_topic`] = plain(caller?.topic ?? '', 120);
    out[`queue_${place}_state`] = caller ? word(Caller_State[caller.state]) : '';
  }
}

function slotValues(out: CompanionVariableValues, mirror: Mirror, slot: Slot, serverMs: number): void {
  const set = (what: string, value: string | number) => (out[`slot_${idOf(slot.name)}_${what}`] = value);
  const showing = onAir(slot);
  const caller = showing ? mirror.caller(showing) : undefined;
  set('title', plain(slot.settings?.title ?? ''));
  set('state', slotState(slot));
  set('caller', showing ? mirror.nameOf(showing) : '');
  set('topic', plain(caller?.topic ?? '', 120));
  const armed = slot.showing === Slot_Showing.ARMED ? slot.showingCaller : slot.armedCaller;
  set('next', armed ? mirror.nameOf(armed) : '');
  const since = slot.assignedCaller === showing ? millis(slot.assignTime) : millis(caller?.stateTime);
  const seconds = showing && since ? Math.max(0, Math.floor((serverMs - since) / 1000)) : undefined;
  set('elapsed', seconds === undefined ? '' : clock(seconds));
  set('elapsed_s', seconds ?? 0);
}

function slotState(slot: Slot): string {
  if (!slot.online) return 'OFFLINE';
  return slot.showing === Slot_Showing.CALLER ? 'ON AIR' : word(Slot_Showing[slot.showing]);
}

function channelValues(out: CompanionVariableValues, channel: Channel, serverMs: number): [number, number] {
  const id = idOf(channel.name);
  const set = (what: string, value: string | number) => (out[`channel_${id}_${what}`] = value);
  const since = millis(channel.showingTime);
  const seconds = since ? Math.max(0, Math.floor((serverMs - since) / 1000)) : undefined;
  const wanted = channel.running ? channel.destinations.filter(({ enabled }) => enabled) : [];
  const up = wanted.filter(({ state }) => state === Destination_State.LIVE);
  set('title', plain(channel.settings?.title ?? ''));
  set('source', word(Channel_Showing[channel.showing]));
  set('time', seconds === undefined ? '' : clock(seconds));
  set('time_s', seconds ?? 0);
  set('mode', word(Channel_Force[channel.force]));
  set('alert', plain(channel.alerts[0] ?? '', 120));
  set('destinations_up', up.length);
  set('destinations_wanted', wanted.length);
  for (const destination of channel.destinations) {
    const name = `destination_${id}_${idOf(destination.name)}`;
    out[`${name}_state`] = destination.enabled ? word(Destination_State[destination.state]) : 'DISABLED';
    out[`${name}_error`] = plain(destination.lastError, 120);
  }
  return [up.length, wanted.length];
}

/** Values that come with the meters. */
export function metered(mirror: Mirror, meters: Meters, now: number): CompanionVariableValues {
  const out: CompanionVariableValues = {};
  for (const slot of mirror.slots) {
    const reading = meters.slot(slot.name, now);
    const id = idOf(slot.name);
    out[`slot_${id}_level`] = level(reading) ?? '';
    out[`slot_${id}_clients`] = reading?.clients ?? '';
  }
  return out;
}

/** `ON_AIR` → `ON AIR`; a value of a newer server → nothing. */
function word(value: string | undefined): string {
  return value === undefined || value === 'UNSPECIFIED' ? '' : value.replaceAll('_', ' ');
}
