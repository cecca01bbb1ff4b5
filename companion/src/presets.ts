// Ready-made buttons for what the server has now. Texts are variables: a preset never holds a caller's name.

import type {
  CompanionButtonStyleProps,
  CompanionPresetAction,
  CompanionPresetDefinitions,
  CompanionPresetFeedback,
  CompanionPresetGroupSimple,
  CompanionPresetSection,
  CompanionSimplePresetDefinition,
} from '@companion-module/base';

import type { Channel } from '../gen/booth/v1/channel_pb';
import type { Slot } from '../gen/booth/v1/slot_pb';
import * as look from './look';
import type { Mirror } from './mirror';
import { idOf, plain } from './text';
import type { Actions, Feedbacks, Types, WhoOptions } from './types';
import { PLACES } from './variables';

type Preset = CompanionSimplePresetDefinition<Types>;
type Action = CompanionPresetAction<Actions>;
type Feedback = CompanionPresetFeedback<Feedbacks>;

/** Hold this long what cannot be taken back. */
const HOLD_MS = 1_000;
const FADE_MS = 500;

export interface Presets {
  structure: CompanionPresetSection<Types>[];
  presets: CompanionPresetDefinitions<Types>;
}

export function presets(mirror: Mirror, label: string): Presets {
  const all: CompanionPresetDefinitions<Types> = {};
  const group = (id: string, name: string, of: Record<string, Preset>): CompanionPresetGroupSimple<Types> => {
    const ids = Object.entries(of).map(([key, preset]) => {
      all[`${id}_${key}`] = preset;
      return `${id}_${key}`;
    });
    return { id, type: 'simple', name, presets: ids };
  };
  const v = (name: string) => `$(${label}:${name})`;
  const slots = mirror.slots.map((slot) => group(`slot_${idOf(slot.name)}`, heading('Slot', slot), slotPresets(slot, v)));
  const channels = mirror.channels.map((channel) =>
    group(`channel_${idOf(channel.name)}`, heading('Channel', channel), channelPresets(channel, v)),
  );
  const structure: CompanionPresetSection<Types>[] = [
    { id: 'slots', name: 'Slots', definitions: slots },
    { id: 'queue', name: 'Queue', definitions: [group('queue', 'Screening', queuePresets(v)), group('line', 'Line', linePresets(v))] },
    { id: 'channels', name: 'Channels and destinations', definitions: channels },
    { id: 'status', name: 'Status', definitions: [group('status', 'Connection', statusPresets(v))] },
  ];
  return { structure: structure.filter(({ definitions }) => definitions.length > 0), presets: all };
}

function heading(noun: string, of: Slot | Channel): string {
  const title = plain(of.settings?.title ?? '', 40);
  return title ? `${noun} ${idOf(of.name)}: ${title}` : `${noun} ${idOf(of.name)}`;
}

function button(name: string, text: string, down: Action[], feedbacks: Feedback[], style: Partial<CompanionButtonStyleProps> = {}): Preset {
  return {
    type: 'simple',
    name,
    style: { text, size: 'auto', ...look.CALM, ...style },
    steps: [{ down, up: [] }],
    // The last one wins: what is old is never shown as if it were so now.
    feedbacks: [...feedbacks, { feedbackId: 'disconnected', options: {}, style: look.LOST }],
  };
}

/** A button to be held for a second. */
function holdButton(name: string, text: string, action: Action, feedbacks: Feedback[]): Preset {
  const held = { options: { runWhileHeld: true }, actions: [action] };
  return { ...button(name, text, [], feedbacks), steps: [{ down: [], up: [], [HOLD_MS]: held }] };
}

type Variable = (name: string) => string;

const certain = (who: string, of: Partial<WhoOptions> = {}): WhoOptions => ({ who, position: 1, on_slot: '1', caller: '', ...of });

function slotPresets(slot: Slot, v: Variable): Record<string, Preset> {
  const id = idOf(slot.name);
  const options = { slot: id };
  const who = certain('slot', { on_slot: id });
  const tally: Feedback[] = [
    { feedbackId: 'slot_armed', options, style: look.READY },
    { feedbackId: 'slot_on_air', options, style: look.ON_AIR },
    { feedbackId: 'slot_frozen', options, style: look.WARN },
    { feedbackId: 'slot_pending', options, style: look.BUSY },
    { feedbackId: 'slot_offline', options, style: look.WARN },
  ];
  const state = v(`slot_${id}_state`);
  const onIt = `${v(`slot_${id}_caller`)}\\n${v(`slot_${id}_elapsed`)}`;
  const take = (fade_ms: number): Action => ({ actionId: 'take_next', options: { slot: id, fade_ms, replace: false } });
  const release = (to: 'hold' | 'requeue' | 'drop'): Action => ({ actionId: 'release', options: { slot: id, to, fade_ms: 0 } });
  return {
    tally: button(`Slot ${id}: tally`, `${id} ${state}\\n${onIt}`, [], tally),
    picture: button(`Slot ${id}: picture`, `${id} ${state}`, [], [
      ...tally,
      { feedbackId: 'slot_tile', options: { slot: id, fit: 'fill' } },
    ], { alignment: 'center:bottom' }),
    take: button(`Slot ${id}: take next`, `TAKE ${id}\\n${v(`slot_${id}_next`)}`, [take(0)], tally),
    fade: button(`Slot ${id}: fade to next`, `FADE ${id}\\n${v(`slot_${id}_next`)}`, [take(FADE_MS)], tally),
    release: button(`Slot ${id}: release, keep on the line`, `RELEASE ${id}\\n${onIt}`, [release('hold')], tally),
    requeue: button(`Slot ${id}: release to the queue`, `REQUEUE ${id}\\n${onIt}`, [release('requeue')], tally),
    drop: holdButton(`Slot ${id}: end the call (hold 1 s)`, `END ${id}\\nhold 1 s`, release('drop'), tally),
    mute: button(`Slot ${id}: mute`, `MUTE ${id}\\n${v(`slot_${id}_level`)} dB`, [{ actionId: 'mute', options: { ...who, mode: 'toggle' } }], [
      { feedbackId: 'slot_clip', options, style: look.ON_AIR },
      { feedbackId: 'caller_muted', options: who, style: look.WARN },
    ]),
    link: button(`Slot ${id}: the caller’s connection`, `LINK ${id}\\n${v(`slot_${id}_caller`)}`, [], [
      { feedbackId: 'slot_on_air', options, style: look.READY },
      { feedbackId: 'caller_bad', options: { ...who, below: 3 }, style: look.WARN },
    ]),
  };
}

function queuePresets(v: Variable): Record<string, Preset> {
  const next = `${v('queue_next')}\\n${v('queue_next_topic')}`;
  const unready = `${v('queue_unready')}\\n${v('queue_unready_topic')}`;
  const ready: Feedback = { feedbackId: 'caller_ready', options: certain('next'), style: look.READY };
  const waits: Feedback = { feedbackId: 'queue_above', options: { which: 'waiting', above: 0 }, style: look.WARN };
  const text = 'You are next. Please turn your radio off.';
  return {
    counts: button('Queue: how many', `${v('queue_waiting')} waiting\\n${v('queue_ready')} ready`, [], [waits, ready]),
    next: button('Queue: who is next', `NEXT\\n${next}`, [], [ready]),
    screen: button('Queue: screen the first', `SCREEN\\n${unready}`, [{ actionId: 'screen', options: certain('waiting') }], [waits]),
    approve: button('Queue: approve the first', `APPROVE\\n${unready}`, [{ actionId: 'approve', options: certain('unready') }], [waits]),
    hold: button('Queue: hold the next', `HOLD\\n${v('queue_next')}`, [{ actionId: 'hold', options: certain('next') }], [ready]),
    reject: holdButton(
      'Queue: reject the first (hold 1 s)',
      `REJECT\\n${v('queue_unready')}\\nhold 1 s`,
      { actionId: 'reject', options: { ...certain('unready'), reason: 'We have no time left today. Thank you for calling.' } },
      [waits],
    ),
    chat: button('Queue: tell the next to get ready', `TELL\\n${v('queue_next')}`, [{ actionId: 'chat', options: { ...certain('next'), text } }], [ready]),
  };
}

function linePresets(v: Variable): Record<string, Preset> {
  const all: Record<string, Preset> = {};
  for (let place = 1; place <= PLACES; place++) {
    const who = certain('position', { position: place });
    const text = `${place} ${v(`queue_${place}_state`)}\\n${v(`queue_${place}_caller`)}`;
    const ready: Feedback = { feedbackId: 'caller_ready', options: who, style: look.READY };
    const bad: Feedback = { feedbackId: 'caller_bad', options: { ...who, below: 2 }, style: look.WARN };
    const move: Action = { actionId: 'move', options: { ...who, how: 'to', places: 1 } };
    all[`head_${place}`] = button(`Queue: place ${place} to the head`, text, [move], [ready, bad]);
  }
  return all;
}

function channelPresets(channel: Channel, v: Variable): Record<string, Preset> {
  const id = idOf(channel.name);
  const options = { channel: id };
  const tally: Feedback[] = [
    { feedbackId: 'channel_live', options, style: look.ON_AIR },
    { feedbackId: 'channel_on_backup', options, style: look.WARN },
  ];
  const forced = (to: 'live' | 'backup' | 'auto'): Feedback => ({ feedbackId: 'channel_forced', options: { channel: id, to }, style: look.BUSY });
  const force = (to: 'live' | 'backup' | 'auto'): Action => ({ actionId: 'channel_force', options: { channel: id, to } });
  const run = (mode: 'on' | 'off'): Action => ({ actionId: 'channel_run', options: { channel: id, mode } });
  const up = `${v(`channel_${id}_destinations_up`)}/${v(`channel_${id}_destinations_wanted`)} up`;
  const all: Record<string, Preset> = {
    tally: button(`Channel ${id}: tally`, `${id}\\n${v(`channel_${id}_source`)} ${v(`channel_${id}_time`)}\\n${up}`, [], tally),
    auto: button(`Channel ${id}: automatic`, `${id}\\nAUTO`, [force('auto')], [forced('auto')]),
    live: button(`Channel ${id}: force live`, `${id}\\nLIVE!`, [force('live')], [forced('live')]),
    backup: button(`Channel ${id}: force the backup`, `${id}\\nBACKUP!`, [force('backup')], [forced('backup')]),
    start: button(`Channel ${id}: start`, `${id}\\nSTART`, [run('on')], tally),
    stop: holdButton(`Channel ${id}: stop (hold 1 s)`, `${id}\\nSTOP\\nhold 1 s`, run('off'), [
      { feedbackId: 'channel_off', options, style: look.CALM },
    ]),
  };
  for (const destination of channel.destinations) {
    const to = idOf(destination.name);
    const of = { destination: `${id}/${to}` };
    all[`to_${to}`] = button(
      `Channel ${id}: ${to} on or off`,
      `${to}\\n${v(`destination_${id}_${to}_state`)}`,
      [{ actionId: 'destination_enable', options: { ...of, mode: 'toggle' } }],
      [
        { feedbackId: 'destination_live', options: of, style: look.READY },
        { feedbackId: 'destination_down', options: of, style: look.ON_AIR },
      ],
    );
  }
  return all;
}

function statusPresets(v: Variable): Record<string, Preset> {
  return {
    connection: button('Connection to the server', `booth\\n${v('connection')}`, [], [
      { feedbackId: 'connected', options: {}, style: look.READY },
    ]),
    refused: button('Why the last press was refused', `${v('last_error')}`, [], [
      { feedbackId: 'refused', options: { seconds: 5 }, style: look.WARN },
    ]),
  };
}
