// Fields that several actions have.

import type { CompanionInputFieldDropdown, CompanionInputFieldNumber, DropdownChoice } from '@companion-module/base';

export interface Choices {
  slots: DropdownChoice<string>[];
  channels: DropdownChoice<string>[];
  /** By `channel/destination`. */
  destinations: DropdownChoice<string>[];
}

/** The server's own limit. */
export const FADE_MAX_MS = 10_000;

type Pick<Id extends string> = CompanionInputFieldDropdown<Id, string>;

function pick<Id extends string>(id: Id, label: string, choices: DropdownChoice<string>[], none: string): Pick<Id> {
  return { type: 'dropdown', id, label, choices, default: choices[0]?.id ?? none, allowCustom: true };
}

export const slotField = (choices: Choices) => pick('slot', 'Slot', choices.slots, '1');
export const channelField = (choices: Choices) => pick('channel', 'Channel', choices.channels, '');
export const destinationField = (choices: Choices) => pick('destination', 'Destination', choices.destinations, '');

export function fadeField(): CompanionInputFieldNumber<'fade_ms'> {
  const label = 'Crossfade in milliseconds (0 cuts)';
  return { type: 'number', id: 'fade_ms', label, default: 0, min: 0, max: FADE_MAX_MS, step: 100, asInteger: true };
}

/** Whole milliseconds within the server's limits, whatever an expression gave. */
export function fadeMs(value: unknown): number {
  const ms = Number(value);
  return Number.isFinite(ms) ? Math.min(FADE_MAX_MS, Math.max(0, Math.round(ms))) : 0;
}
