// "The next one", "the third in the queue", "who is on slot 2": how a button says which caller it means. What is meant
// is found once, when the button is pressed, and sent by name: a queue that moves meanwhile cannot swap people.

import type { DropdownChoice, SomeCompanionActionInputField, SomeCompanionFeedbackInputField } from '@companion-module/base';

import { type Caller, Caller_State } from '../gen/booth/v1/caller_pb';
import type { Mirror } from './mirror';
import { onAir } from './mirror';
import { Refusal } from './refusal';
import type { WhoOptions } from './types';

export const WHO: DropdownChoice<string>[] = [
  { id: 'next', label: 'Next ready caller' },
  { id: 'unready', label: 'First one not ready yet (waiting or being screened)' },
  { id: 'waiting', label: 'First one waiting' },
  { id: 'screening', label: 'First one being screened' },
  { id: 'held', label: 'First one held' },
  { id: 'position', label: 'Place in the queue' },
  { id: 'slot', label: 'Who is on a slot' },
  { id: 'caller', label: 'A certain caller' },
];

const POSITION_MAX = 10_000;

export function whoFields(slots: DropdownChoice<string>[], first = 'next'): SomeCompanionActionInputField<keyof WhoOptions>[] &
  SomeCompanionFeedbackInputField<keyof WhoOptions>[] {
  return [
    { type: 'dropdown', id: 'who', label: 'Caller', choices: WHO, default: first, disableAutoExpression: true },
    {
      type: 'number',
      id: 'position',
      label: 'Place',
      default: 1,
      min: 1,
      max: POSITION_MAX,
      asInteger: true,
      isVisibleExpression: "$(options:who) == 'position'",
    },
    {
      type: 'dropdown',
      id: 'on_slot',
      label: 'On slot',
      choices: slots,
      default: slots[0]?.id ?? '1',
      allowCustom: true,
      isVisibleExpression: "$(options:who) == 'slot'",
    },
    {
      type: 'textinput',
      id: 'caller',
      label: 'Id or name',
      default: '',
      useVariables: true,
      isVisibleExpression: "$(options:who) == 'caller'",
    },
  ];
}

/** Whom `who` means now, if anybody. */
export function resolve(mirror: Mirror, show: string, who: WhoOptions): Caller | undefined {
  const first = (...states: Caller_State[]) => mirror.queue(show).find((caller) => states.includes(caller.state));
  switch (who.who) {
    case 'next':
      return mirror.next(show);
    case 'unready':
      return first(Caller_State.WAITING, Caller_State.SCREENING);
    case 'waiting':
      return first(Caller_State.WAITING);
    case 'screening':
      return first(Caller_State.SCREENING);
    case 'held':
      return first(Caller_State.HELD);
    case 'position':
      return mirror.queue(show)[Number(who.position) - 1];
    case 'slot': {
      const slot = mirror.slot(String(who.on_slot));
      return mirror.caller(onAir(slot) || slot?.assignedCaller || '');
    }
    case 'caller':
      return mirror.find(show, String(who.caller ?? '').trim());
    default:
      return undefined;
  }
}

/** Whom `who` means now, or a refusal in the words of the choice. */
export function demand(mirror: Mirror, show: string, who: WhoOptions): Caller {
  const found = resolve(mirror, show, who);
  if (found) return found;
  const nobody: Record<string, string> = {
    next: 'nobody in the queue is ready and connected',
    unready: 'nobody waits to be screened',
    waiting: 'nobody is waiting',
    screening: 'nobody is being screened',
    held: 'nobody is held',
    position: `nobody is at place ${Number(who.position)} of the queue`,
    slot: `nobody is on slot ${String(who.on_slot)}`,
    caller: `no caller is called “${String(who.caller ?? '').slice(0, 40)}”`,
  };
  throw new Refusal('NOBODY_THERE', nobody[who.who] ?? 'the button does not say which caller');
}
