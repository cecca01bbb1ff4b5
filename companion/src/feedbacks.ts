// What buttons show. Each one reads the mirror and the meters; none keeps anything.

import type {
  CompanionBooleanFeedbackDefinition,
  CompanionFeedbackButtonStyleResult,
  CompanionFeedbackDefinitions,
  CompanionInputFieldDropdown,
  CompanionOptionValues,
  StringKeys,
} from '@companion-module/base';

import { type Caller, Caller_State } from '../gen/booth/v1/caller_pb';
import { type Channel, Channel_Showing } from '../gen/booth/v1/channel_pb';
import { type Destination, Destination_State } from '../gen/booth/v1/destination_pb';
import { type Slot, Slot_Showing } from '../gen/booth/v1/slot_pb';
import { FORCES } from './actions/channel';
import { channelField, type Choices, destinationField, slotField } from './actions/fields';
import { resolve, whoFields } from './callers';
import * as look from './look';
import type { Meters } from './meters';
import { down, type Mirror, onAir, pending } from './mirror';
import type { Picture } from './picture';
import { counts } from './queue';
import type { Feedbacks } from './types';

export interface Stage {
  readonly mirror: Mirror;
  readonly meters: Meters;
  readonly show: string;
  readonly connected: boolean;
  /** When a press was refused last, in milliseconds of the monotonic clock. */
  readonly refusedAt: number;
  /** The latest picture of a resource, and the wish to have it kept up for this feedback. */
  picture(feedbackId: string, of: { kind: 'slot' | 'caller'; name: string } | undefined): Picture | undefined;
  forget(feedbackId: string): void;
}

/** Changes come at any time; these few only with readings of the meters. */
export const METERED: StringKeys<Feedbacks>[] = ['slot_clip', 'caller_bad', 'caller_clip'];

const FIT: CompanionInputFieldDropdown<'fit', 'whole' | 'fill'> = {
  type: 'dropdown',
  id: 'fit',
  label: 'Picture',
  choices: [
    { id: 'whole', label: 'whole' },
    { id: 'fill', label: 'fills the button' },
  ],
  default: 'whole',
};

export function feedbacks(stage: Stage, choices: Choices): CompanionFeedbackDefinitions<Feedbacks> {
  const yes = <O extends CompanionOptionValues>(
    name: string,
    defaultStyle: Partial<CompanionFeedbackButtonStyleResult>,
    options: CompanionBooleanFeedbackDefinition<O>['options'],
    is: (options: O) => boolean,
  ): CompanionBooleanFeedbackDefinition<O> => ({
    type: 'boolean',
    name,
    defaultStyle,
    options,
    callback: (feedback) => is(feedback.options),
  });
  const slot = (name: string, style: Partial<CompanionFeedbackButtonStyleResult>, is: (slot: Slot) => boolean) =>
    yes<{ slot: string }>(`Slot: ${name}`, style, [slotField(choices)], (options) => {
      const found = stage.mirror.slot(String(options.slot));
      return found !== undefined && is(found);
    });
  const channel = (name: string, style: Partial<CompanionFeedbackButtonStyleResult>, is: (channel: Channel) => boolean) =>
    yes<{ channel: string }>(`Channel: ${name}`, style, [channelField(choices)], (options) => {
      const found = stage.mirror.channel(String(options.channel));
      return found !== undefined && is(found);
    });
  const destination = (
    name: string,
    style: Partial<CompanionFeedbackButtonStyleResult>,
    is: (channel: Channel, destination: Destination) => boolean,
  ) =>
    yes<{ destination: string }>(`Destination: ${name}`, style, [destinationField(choices)], (options) => {
      const path = String(options.destination);
      const of = stage.mirror.channel(path.split('/')[0] ?? '');
      const found = stage.mirror.destination(path);
      return of !== undefined && found !== undefined && is(of, found);
    });
  const shows = (showing: Slot_Showing) => (of: Slot) => of.showing === showing;
  const now = () => performance.now();

  return {
    slot_on_air: slot('a caller is on air', look.ON_AIR, (of) => of.showing === Slot_Showing.CALLER || of.showing === Slot_Showing.FROZEN),
    slot_armed: slot('a caller is armed', look.READY, shows(Slot_Showing.ARMED)),
    slot_frozen: slot('the picture is frozen', look.WARN, shows(Slot_Showing.FROZEN)),
    slot_idle: slot('idle', look.CALM, shows(Slot_Showing.IDLE)),
    slot_pending: slot('a take or a release is on its way', look.BUSY, pending),
    slot_offline: slot('its worker is not running', look.WARN, (of) => !of.online),
    slot_clip: slot('sound clips', look.WARN, (of) => {
      const at = now();
      return stage.meters.clips(of.name, at) || (of.showingCaller !== '' && stage.meters.clips(of.showingCaller, at));
    }),
    queue_above: yes(
      'Queue: more than so many callers',
      look.WARN,
      [
        {
          type: 'dropdown',
          id: 'which',
          label: 'Callers',
          choices: [
            { id: 'waiting', label: 'waiting or being screened' },
            { id: 'ready', label: 'ready' },
            { id: 'held', label: 'held' },
            { id: 'line', label: 'in the queue at all' },
          ],
          default: 'waiting',
        },
        { type: 'number', id: 'above', label: 'More than', default: 0, min: 0, max: 10_000, asInteger: true },
      ],
      (options) => (counts(stage.mirror.queue(stage.show))[options.which] ?? 0) > Number(options.above),
    ),
    caller_ready: yes('Caller: ready and connected', look.READY, whoFields(choices.slots), (options) => {
      const caller = resolve(stage.mirror, stage.show, options);
      return caller?.state === Caller_State.READY && caller.connected;
    }),
    caller_muted: yes('Caller: muted', look.WARN, whoFields(choices.slots, 'slot'), (options) =>
      Boolean(resolve(stage.mirror, stage.show, options)?.muted),
    ),
    caller_bad: yes(
      'Caller: bad connection',
      look.WARN,
      [
        ...whoFields(choices.slots, 'slot'),
        { type: 'number', id: 'below', label: 'Score below (0 unusable, 5 excellent)', default: 3, min: 1, max: 5, asInteger: true },
      ],
      (options) => {
        const caller = resolve(stage.mirror, stage.show, options);
        if (!caller) return false;
        if (!caller.connected) return true;
        const reading = stage.meters.caller(caller.name, now());
        return reading !== undefined && reading.score < Number(options.below);
      },
    ),
    caller_clip: yes('Caller: sound clips', look.WARN, whoFields(choices.slots, 'slot'), (options) => {
      const caller = resolve(stage.mirror, stage.show, options);
      return caller !== undefined && stage.meters.clips(caller.name, now());
    }),
    channel_on_backup: channel(
      'on backup or slate',
      look.WARN,
      (of) => of.showing === Channel_Showing.BACKUP || of.showing === Channel_Showing.SLATE,
    ),
    channel_live: channel('shows the live input', look.ON_AIR, (of) => of.showing === Channel_Showing.LIVE),
    channel_off: channel('off', look.CALM, (of) => !of.running),
    channel_forced: yes(
      'Channel: source is forced',
      look.BUSY,
      [
        channelField(choices),
        {
          type: 'dropdown',
          id: 'to',
          label: 'To',
          choices: [
            { id: 'live', label: 'live' },
            { id: 'backup', label: 'backup' },
            { id: 'auto', label: 'nothing (automatic)' },
          ],
          default: 'backup',
        },
      ],
      (options) => stage.mirror.channel(String(options.channel))?.force === FORCES[options.to],
    ),
    destination_live: destination('live', look.READY, (_, of) => of.state === Destination_State.LIVE),
    destination_down: destination('down while its channel is on air', look.ON_AIR, down),
    connected: yes('Connection: up', look.READY, [], () => stage.connected),
    disconnected: yes('Connection: lost, what is shown is old', look.LOST, [], () => !stage.connected),
    refused: yes(
      'A press was refused just now',
      look.WARN,
      [{ type: 'number', id: 'seconds', label: 'For seconds', default: 5, min: 1, max: 60 }],
      (options) => now() - stage.refusedAt < Number(options.seconds) * 1_000,
    ),
    slot_tile: {
      type: 'advanced',
      name: 'Slot: picture of the output',
      options: [slotField(choices), FIT],
      callback: ({ id, options, image }) => {
        const of = stage.mirror.slot(String(options.slot));
        const picture = stage.picture(id, of && { kind: 'slot', name: of.name });
        return image && picture ? picture.on(image.width, image.height, options.fit) : {};
      },
      unsubscribe: ({ id }) => stage.forget(id),
    },
    caller_tile: {
      type: 'advanced',
      name: 'Caller: picture (armed or on air)',
      options: [...whoFields(choices.slots, 'slot'), FIT],
      callback: ({ id, options, image }) => {
        const of = resolve(stage.mirror, stage.show, options);
        const picture = stage.picture(id, of && pictured(stage.mirror, of));
        return image && picture ? picture.on(image.width, image.height, options.fit) : {};
      },
      unsubscribe: ({ id }) => stage.forget(id),
    },
  };
}

/** Where a caller is to be seen: on the output of the slot they are on, else by themselves, when armed. */
function pictured(mirror: Mirror, caller: Caller): { kind: 'slot' | 'caller'; name: string } {
  const slot = mirror.slots.find((on) => onAir(on) === caller.name);
  return slot ? { kind: 'slot', name: slot.name } : { kind: 'caller', name: caller.name };
}
