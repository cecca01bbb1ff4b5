// To air, off air, and armed. What the slot showed at the press is pinned before anything waits.

import type { CompanionActionDefinitions } from '@companion-module/base';

import { ReleaseSlotRequest_Disposition as Disposition, type Slot } from '../../gen/booth/v1/slot_pb';
import { demand, whoFields } from '../callers';
import type { Desk } from '../desk';
import type { Mirror } from '../mirror';
import type { Api } from '../api';
import type { Seen } from '../press';
import { Refusal } from '../refusal';
import { idOf, plain } from '../text';
import type { Actions, Release } from '../types';
import { type Choices, fadeField, fadeMs, slotField } from './fields';

type SlotActions = Pick<Actions, 'take_next' | 'take_caller' | 'release' | 'arm'>;

const DISPOSITIONS: Record<Release, Disposition> = {
  hold: Disposition.HOLD,
  requeue: Disposition.REQUEUE,
  drop: Disposition.DROP,
};

export function slotActions(desk: Desk, choices: Choices): CompanionActionDefinitions<SlotActions> {
  const take = (
    what: string,
    options: { slot: string; fade_ms: number; replace: boolean },
    who: (slot: Slot) => () => { name: string },
  ) =>
    desk.press(what, () => {
      const { api, presses } = desk.live();
      const slot = seenSlot(desk.mirror, options.slot);
      const meant = who(slot);
      return presses.inTurn((deadline) => {
        const caller = meant();
        return deadline.guarded(guard(desk.mirror, api, slot), (mutation, call) =>
          api.slots.takeSlot(
            {
              ...mutation,
              name: slot.name,
              pick: { case: 'caller', value: caller.name },
              transition: { fadeMs: fadeMs(options.fade_ms) },
              override: options.replace === true,
            },
            call,
          ),
        );
      });
    });

  return {
    take_next: {
      name: 'Slot: take the next caller',
      description: 'Puts on air whoever is next at the press. If somebody else takes that caller first, nobody is taken.',
      options: [slotField(choices), fadeField(), replaceField()],
      callback: ({ options }) =>
        take(`Take next to slot ${options.slot}`, options, (slot) => {
          const next = { who: 'next', position: 1, on_slot: '', caller: '' };
          // When it is this press's turn: one just before it may have taken who was next.
          return () => demand(desk.mirror, idOf(slot.show), next);
        }),
    },
    take_caller: {
      name: 'Slot: take a certain caller',
      options: [slotField(choices), ...whoFields(choices.slots), fadeField(), replaceField()],
      callback: ({ options }) =>
        take(`Take to slot ${options.slot}`, options, () => {
          const caller = demand(desk.mirror, desk.show, options);
          return () => caller;
        }),
    },
    release: {
      name: 'Slot: release the caller',
      options: [
        slotField(choices),
        {
          type: 'dropdown',
          id: 'to',
          label: 'Then',
          choices: [
            { id: 'hold', label: 'keep on the line, held' },
            { id: 'requeue', label: 'back to the end of the queue, ready' },
            { id: 'drop', label: 'end the call' },
          ],
          default: 'hold',
        },
        fadeField(),
      ],
      callback: ({ options }) =>
        desk.press(`Release slot ${options.slot}`, () => {
          const { api, presses } = desk.live();
          const slot = seenSlot(desk.mirror, options.slot);
          // An unknown word must not become the end of a call.
          const disposition = DISPOSITIONS[options.to] ?? Disposition.HOLD;
          return presses.inTurn((deadline) =>
            deadline.guarded(guard(desk.mirror, api, slot), (mutation, call) =>
              api.slots.releaseSlot(
                { ...mutation, name: slot.name, disposition, transition: { fadeMs: fadeMs(options.fade_ms) } },
                call,
              ),
            ),
          );
        }),
    },
    arm: {
      name: 'Slot: arm a caller',
      description: 'Decodes the caller ahead of a take. “Next ready caller” goes back to automatic arming.',
      options: [slotField(choices), ...whoFields(choices.slots)],
      callback: ({ options }) =>
        desk.press(`Arm slot ${options.slot}`, () => {
          const { api, presses } = desk.live();
          const slot = seenSlot(desk.mirror, options.slot);
          const caller = options.who === 'next' ? '' : demand(desk.mirror, desk.show, options).name;
          return presses.run((deadline) =>
            deadline.guarded(guard(desk.mirror, api, slot), (mutation, call) =>
              api.slots.armSlot({ ...mutation, name: slot.name, caller }, call),
            ),
          );
        }),
    },
  };
}

function replaceField() {
  return {
    type: 'checkbox' as const,
    id: 'replace' as const,
    label: 'Replace who is on it, and take callers who are not ready too',
    default: false,
  };
}

function seenSlot(mirror: Mirror, id: string): Slot {
  const slot = mirror.slot(String(id));
  if (!slot) throw new Refusal('SLOT_NOT_FOUND', `there is no slot ${plain(String(id), 40)}`);
  return slot;
}

/** A press about a slot holds as long as the same caller, or nobody, is to be on it. */
function guard(mirror: Mirror, api: Api, seen: Slot): Seen<Slot> {
  return {
    seen,
    read: async (call) => (await api.slots.getSlot({ name: seen.name }, call)).slot,
    differs: (now) => {
      if (now.assignedCaller === seen.assignedCaller) return undefined;
      const by = mirror.actorOf(seen.name);
      const who = now.assignedCaller ? `${mirror.nameOf(now.assignedCaller)} is on it now` : 'nobody is on it now';
      return `slot ${idOf(seen.name)} has changed meanwhile: ${who}${by && mirror.slot(idOf(seen.name))?.revision === now.revision ? ` (by ${by})` : ''}`;
    },
  };
}
