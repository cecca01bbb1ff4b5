import type { CompanionActionDefinitions } from '@companion-module/base';

import type { Desk } from '../desk';
import type { Actions } from '../types';
import { callerActions } from './caller';
import { channelActions } from './channel';
import type { Choices } from './fields';
import { slotActions } from './slot';

export function actions(desk: Desk, choices: Choices): CompanionActionDefinitions<Actions> {
  return { ...slotActions(desk, choices), ...callerActions(desk, choices), ...channelActions(desk, choices) };
}
