// The queue's verbs.

import type { CompanionActionDefinition, CompanionActionDefinitions } from '@companion-module/base';

import type { Caller } from '../../gen/booth/v1/caller_pb';
import type { Api } from '../api';
import { demand, whoFields } from '../callers';
import type { Desk } from '../desk';
import type { Call, Mutation, Seen } from '../press';
import { Refusal } from '../refusal';
import type { Actions, WhoOptions } from '../types';
import type { Choices } from './fields';

type CallerActions = Pick<Actions, 'screen' | 'approve' | 'reject' | 'hold' | 'drop' | 'mute' | 'chat' | 'move'>;
/** As long as the server takes, in characters. */
const CHAT_MAX = 2_000;

type Send = (api: Api, request: Mutation & { name: string }, call: Call, caller: Caller) => Promise<{ revision: bigint }>;

export function callerActions(desk: Desk, choices: Choices): CompanionActionDefinitions<CallerActions> {
  const send = (what: string, options: WhoOptions, verb: Send) =>
    desk.press(what, () => {
      const { api, presses } = desk.live();
      const caller = demand(desk.mirror, desk.show, options);
      return presses.run((deadline) =>
        deadline.guarded(guard(api, caller), (mutation, call) => verb(api, { ...mutation, name: caller.name }, call, caller)),
      );
    });
  const plainVerb = (name: string, first: string, verb: Send): CompanionActionDefinition<WhoOptions> => ({
    name: `Caller: ${name}`,
    options: whoFields(choices.slots, first),
    callback: ({ options }) => send(name, options, verb),
  });

  return {
    screen: plainVerb('screen', 'waiting', (api, request, call) => api.callers.screenCaller(request, call)),
    approve: plainVerb('approve', 'unready', (api, request, call) => api.callers.approveCaller(request, call)),
    hold: plainVerb('hold', 'next', (api, request, call) => api.callers.holdCaller(request, call)),
    drop: plainVerb('drop (ends the call)', 'slot', (api, request, call) => api.callers.dropCaller(request, call)),
    reject: {
      name: 'Caller: reject (ends the call)',
      options: [
        ...whoFields(choices.slots, 'unready'),
        { type: 'textinput', id: 'reason', label: 'Reason, which the caller is told', default: '', useVariables: true },
      ],
      callback: ({ options }) => {
        const reason = String(options.reason ?? '').slice(0, CHAT_MAX);
        return send('reject', options, (api, request, call) => api.callers.rejectCaller({ ...request, reason }, call));
      },
    },
    mute: {
      name: 'Caller: mute',
      options: [
        ...whoFields(choices.slots, 'slot'),
        {
          type: 'dropdown',
          id: 'mode',
          label: 'Mute',
          choices: [
            { id: 'on', label: 'mute' },
            { id: 'off', label: 'unmute' },
            { id: 'toggle', label: 'toggle' },
          ],
          default: 'toggle',
        },
      ],
      callback: ({ options }) =>
        send('mute', options, (api, request, call, caller) => {
          const mute = options.mode === 'toggle' ? !caller.muted : options.mode === 'on';
          return mute ? api.callers.muteCaller(request, call) : api.callers.unmuteCaller(request, call);
        }),
    },
    chat: {
      name: 'Caller: send a message',
      options: [
        ...whoFields(choices.slots),
        { type: 'textinput', id: 'text', label: 'Message', default: 'You are next. Please turn your radio off.', useVariables: true },
      ],
      callback: ({ options }) => {
        const text = String(options.text ?? '').slice(0, CHAT_MAX);
        // Whatever else happens to the caller, the message is still for them.
        return send('chat', options, (api, request, call) =>
          api.callers.chatCaller({ ...request, expectedRevision: 0n, text }, call),
        );
      },
    },
    move: {
      name: 'Caller: move in the queue',
      options: [
        ...whoFields(choices.slots, 'position'),
        {
          type: 'dropdown',
          id: 'how',
          label: 'Move',
          choices: [
            { id: 'to', label: 'to place' },
            { id: 'up', label: 'up by' },
            { id: 'down', label: 'down by' },
          ],
          default: 'to',
        },
        { type: 'number', id: 'places', label: 'Places', default: 1, min: 1, max: 10_000, asInteger: true },
      ],
      callback: ({ options }) =>
        send('move', options, (api, request, call, caller) =>
          api.callers.moveCaller({ ...request, position: place(desk, caller, options) }, call),
        ),
    },
  };
}

/** The place to move to, 1 at the head. */
function place(desk: Desk, caller: Caller, options: { how: string; places: number }): number {
  const places = Math.round(Number(options.places));
  if (!(places >= 1 && places <= 10_000)) throw new Refusal('INVALID_ARGUMENT', 'places: 1 to 10000');
  if (options.how === 'to') return places;
  const queue = desk.mirror.queue(desk.show);
  const at = queue.findIndex((queued) => queued.name === caller.name) + 1;
  if (at === 0) throw new Refusal('CALLER_WRONG_STATE', 'the caller is not in the queue');
  return options.how === 'up' ? Math.max(1, at - places) : Math.min(queue.length, at + places);
}

/** A press about a caller holds as long as they are in the same state and place of the system: notes and chat do not matter. */
function guard(api: Api, seen: Caller): Seen<Caller> {
  return {
    seen,
    read: async (call) => (await api.callers.getCaller({ name: seen.name }, call)).caller,
    differs: (now) =>
      now.state === seen.state && now.slot === seen.slot && now.muted === seen.muted
        ? undefined
        : 'the caller has changed meanwhile: look again',
  };
}
