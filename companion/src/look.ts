// Colours of buttons. No meaning by colour alone: every preset has a word beside it.

import { combineRgb } from '@companion-module/base';

export const WHITE = combineRgb(255, 255, 255);
export const BLACK = combineRgb(0, 0, 0);
export const ON_AIR = { bgcolor: combineRgb(200, 0, 0), color: WHITE };
export const READY = { bgcolor: combineRgb(0, 200, 0), color: BLACK };
export const WARN = { bgcolor: combineRgb(255, 160, 0), color: BLACK };
export const BUSY = { bgcolor: combineRgb(120, 60, 0), color: WHITE };
export const CALM = { bgcolor: combineRgb(40, 40, 40), color: combineRgb(200, 200, 200) };
export const LOST = { bgcolor: combineRgb(70, 70, 70), color: combineRgb(255, 200, 0) };
