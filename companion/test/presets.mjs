// Whether presets fit the definitions they are made for.

import assert from 'node:assert/strict';

const expression = (value) => typeof value === 'object' && value !== null && 'isExpression' in value;

function fits(what, options, fields) {
  const ids = fields.map(({ id }) => id).sort();
  assert.deepEqual(Object.keys(options).sort(), ids, `${what}: options`);
  for (const field of fields) {
    const value = options[field.id];
    if (expression(value)) continue;
    const where = `${what}: ${field.id} = ${JSON.stringify(value)}`;
    if (field.type === 'dropdown' && !field.allowCustom) assert(field.choices.some(({ id }) => id === value), where);
    if (field.type === 'number') assert(value >= field.min && value <= field.max, where);
    if (field.type === 'checkbox') assert.equal(typeof value, 'boolean', where);
  }
}

/** All presets of a host: they name only what there is, and everything in the structure is there. */
export function check(host) {
  const { structure, presets } = host.presets;
  const shown = structure.flatMap(({ definitions }) => definitions.flatMap((group) => group.presets));
  assert.deepEqual(shown.sort(), Object.keys(presets).sort(), 'each preset is in one group');
  for (const [id, preset] of Object.entries(presets)) {
    const named = [...preset.style.text.matchAll(/\$\(([^:)]+):([^)]+)\)/g)];
    for (const [, label, variable] of named) {
      assert.equal(label, 'booth', id);
      assert(variable in host.variables, `${id}: no variable ${variable}`);
    }
    const sets = preset.steps.flatMap((step) => Object.values(step));
    for (const { actionId, options } of sets.flatMap((set) => (Array.isArray(set) ? set : set.actions))) {
      assert(host.actions[actionId], `${id}: no action ${actionId}`);
      fits(`${id}: ${actionId}`, options, host.actions[actionId].options);
    }
    for (const { feedbackId, options, style } of preset.feedbacks) {
      const definition = host.feedbacks[feedbackId];
      assert(definition, `${id}: no feedback ${feedbackId}`);
      fits(`${id}: ${feedbackId}`, options, definition.options);
      assert.equal(definition.type === 'boolean', style !== undefined, `${id}: style of ${feedbackId}`);
    }
  }
  return Object.keys(presets);
}
