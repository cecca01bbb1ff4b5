// Buttons outlive versions of this module. When an option, an action or a feedback in types.ts changes, add a script
// here that brings saved ones along. Companion counts the scripts: append only, never reorder, and put `unchanged` where
// one has become needless.

import type { CompanionStaticUpgradeScript } from '@companion-module/base';

import type { Config, Secrets } from './types';

const unchanged: CompanionStaticUpgradeScript<Config, Secrets> = () => ({
  updatedConfig: null,
  updatedActions: [],
  updatedFeedbacks: [],
});

export const UpgradeScripts: CompanionStaticUpgradeScript<Config, Secrets>[] = [
  // 0.1: the first version; saved buttons are as types.ts has them.
  unchanged,
];
