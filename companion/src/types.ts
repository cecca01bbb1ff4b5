// What Companion stores and passes: names and shapes of options, which saved buttons depend on. A change here needs an
// upgrade script (upgrades.ts).

import type { CompanionVariableValues } from '@companion-module/base';

export type Config = {
  /** API listener of boothd: `http://host:7400`. */
  url: string;
  /** Id of the show whose queue `queue_…` variables and queue actions are about. */
  show: string;
  /** Readings of levels and quality a second; 0 for none. */
  meter_rate: number;
  /** PEM certificates of authorities that are trusted beside the usual ones; for `https://` alone. */
  ca?: string;
};

export type Secrets = { token?: string };

/** Picks one caller; see callers.ts. */
export type WhoOptions = { who: string; position: number; on_slot: string; caller: string };

type Of<Options> = { options: Options };
type Yes<Options> = { type: 'boolean'; options: Options };

export type Release = 'hold' | 'requeue' | 'drop';
export type Force = 'live' | 'backup' | 'auto';

export type Actions = {
  take_next: Of<{ slot: string; fade_ms: number; replace: boolean }>;
  take_caller: Of<WhoOptions & { slot: string; fade_ms: number; replace: boolean }>;
  release: Of<{ slot: string; to: Release; fade_ms: number }>;
  arm: Of<WhoOptions & { slot: string }>;
  screen: Of<WhoOptions>;
  approve: Of<WhoOptions>;
  reject: Of<WhoOptions & { reason: string }>;
  hold: Of<WhoOptions>;
  drop: Of<WhoOptions>;
  mute: Of<WhoOptions & { mode: 'on' | 'off' | 'toggle' }>;
  chat: Of<WhoOptions & { text: string }>;
  move: Of<WhoOptions & { how: 'to' | 'up' | 'down'; places: number }>;
  channel_force: Of<{ channel: string; to: Force }>;
  channel_run: Of<{ channel: string; mode: 'on' | 'off' }>;
  destination_enable: Of<{ destination: string; mode: 'on' | 'off' | 'toggle' }>;
};

export type Feedbacks = {
  slot_on_air: Yes<{ slot: string }>;
  slot_armed: Yes<{ slot: string }>;
  slot_frozen: Yes<{ slot: string }>;
  slot_idle: Yes<{ slot: string }>;
  slot_program: Yes<{ slot: string }>;
  slot_preview: Yes<{ slot: string }>;
  slot_pending: Yes<{ slot: string }>;
  slot_offline: Yes<{ slot: string }>;
  slot_clip: Yes<{ slot: string }>;
  queue_above: Yes<{ which: 'waiting' | 'ready' | 'held' | 'line'; above: number }>;
  caller_ready: Yes<WhoOptions>;
  caller_muted: Yes<WhoOptions>;
  caller_bad: Yes<WhoOptions & { below: number }>;
  caller_clip: Yes<WhoOptions>;
  channel_on_backup: Yes<{ channel: string }>;
  channel_live: Yes<{ channel: string }>;
  channel_off: Yes<{ channel: string }>;
  channel_forced: Yes<{ channel: string; to: Force }>;
  destination_live: Yes<{ destination: string }>;
  destination_down: Yes<{ destination: string }>;
  connected: Yes<Record<string, never>>;
  disconnected: Yes<Record<string, never>>;
  refused: Yes<{ seconds: number }>;
  slot_tile: { type: 'advanced'; options: { slot: string; fit: 'whole' | 'fill' } };
  caller_tile: { type: 'advanced'; options: WhoOptions & { fit: 'whole' | 'fill' } };
};

export type Types = {
  config: Config;
  secrets: Secrets;
  actions: Actions;
  feedbacks: Feedbacks;
  variables: CompanionVariableValues;
};
