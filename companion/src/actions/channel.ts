// Channels and where they go.

import type { CompanionActionDefinitions } from '@companion-module/base';

import { type Channel, Channel_Force } from '../../gen/booth/v1/channel_pb';
import type { Destination } from '../../gen/booth/v1/destination_pb';
import type { Api } from '../api';
import type { Desk } from '../desk';
import type { Call, Mutation, Seen } from '../press';
import { Refusal } from '../refusal';
import { plain } from '../text';
import type { Actions, Force } from '../types';
import { channelField, type Choices, destinationField } from './fields';

type ChannelActions = Pick<Actions, 'channel_force' | 'channel_run' | 'destination_enable'>;
type Request = Mutation & { name: string };

export const FORCES: Record<Force, Channel_Force> = {
  live: Channel_Force.LIVE,
  backup: Channel_Force.BACKUP,
  auto: Channel_Force.AUTO,
};

export function channelActions(desk: Desk, choices: Choices): CompanionActionDefinitions<ChannelActions> {
  const send = (
    what: string,
    id: string,
    verb: (api: Api, request: Request, call: Call) => Promise<{ revision: bigint }>,
  ) =>
    desk.press(`${what} ${plain(String(id), 40)}`, () => {
      const { api, presses } = desk.live();
      const channel = desk.mirror.channel(String(id));
      if (!channel) throw new Refusal('CHANNEL_NOT_FOUND', `there is no channel ${plain(String(id), 40)}`);
      return presses.run((deadline) =>
        deadline.guarded(channelGuard(api, channel), (mutation, call) => verb(api, { ...mutation, name: channel.name }, call)),
      );
    });

  return {
    channel_force: {
      name: 'Channel: force the source',
      options: [
        channelField(choices),
        {
          type: 'dropdown',
          id: 'to',
          label: 'Show',
          choices: [
            { id: 'auto', label: 'automatic: live, or the backup while there is none' },
            { id: 'live', label: 'the live input' },
            { id: 'backup', label: 'the backup' },
          ],
          default: 'auto',
        },
      ],
      callback: ({ options }) =>
        send(`Force ${options.to}:`, options.channel, (api, request, call) => {
          const force = FORCES[options.to];
          if (force === undefined) throw new Refusal('INVALID_ARGUMENT', 'show: auto, live or backup');
          return api.channels.forceChannel({ ...request, force }, call);
        }),
    },
    channel_run: {
      name: 'Channel: start or stop',
      options: [
        channelField(choices),
        {
          type: 'dropdown',
          id: 'mode',
          label: 'Do',
          choices: [
            { id: 'on', label: 'start' },
            { id: 'off', label: 'stop: everything it sends ends' },
          ],
          default: 'on',
        },
      ],
      callback: ({ options }) =>
        send(options.mode === 'off' ? 'Stop' : 'Start', options.channel, (api, request, call) =>
          options.mode === 'off' ? api.channels.stopChannel(request, call) : api.channels.startChannel(request, call),
        ),
    },
    destination_enable: {
      name: 'Destination: enable or disable',
      options: [
        destinationField(choices),
        {
          type: 'dropdown',
          id: 'mode',
          label: 'Do',
          choices: [
            { id: 'on', label: 'enable' },
            { id: 'off', label: 'disable' },
            { id: 'toggle', label: 'toggle' },
          ],
          default: 'toggle',
        },
      ],
      callback: ({ options }) =>
        desk.press(`Destination ${plain(String(options.destination), 80)}`, () => {
          const { api, presses } = desk.live();
          const seen = desk.mirror.destination(String(options.destination));
          if (!seen) throw new Refusal('DESTINATION_NOT_FOUND', 'there is no such destination');
          const enable = options.mode === 'toggle' ? !seen.enabled : options.mode === 'on';
          return presses.run((deadline) =>
            deadline.guarded(destinationGuard(api, seen), (mutation, call) => {
              const request = { ...mutation, name: seen.name };
              return enable ? api.destinations.enableDestination(request, call) : api.destinations.disableDestination(request, call);
            }),
          );
        }),
    },
  };
}

/** What the channel shows comes and goes by itself; a press is about what operators want of it. */
function channelGuard(api: Api, seen: Channel): Seen<Channel> {
  return {
    seen,
    read: async (call) => (await api.channels.getChannel({ name: seen.name }, call)).channel,
    differs: (now) =>
      now.running === seen.running && now.force === seen.force ? undefined : 'the channel was changed meanwhile: look again',
  };
}

function destinationGuard(api: Api, seen: Destination): Seen<Destination> {
  return {
    seen,
    read: async (call) => (await api.destinations.getDestination({ name: seen.name }, call)).destination,
    differs: (now) => (now.enabled === seen.enabled ? undefined : 'the destination was changed meanwhile: look again'),
  };
}
