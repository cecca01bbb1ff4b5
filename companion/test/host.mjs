// A small stand-in for Companion: loads the packed module as Companion does, keeps what it sets, evaluates feedbacks only
// when it is told to, and passes presses on. Runs as a process of its own, under `node --permission`.

const [, , entry] = process.argv;

const logs = [];
globalThis.COMPANION_LOGGER = (_source, level, message) => {
  logs.push({ level, message });
  tell({ log: { level, message } });
};

const tell = (message) => process.connected && process.send(message);
const placed = new Map();
let actions = {};
let feedbacks = {};
let defined = {};
const counted = { definitions: 0, values: 0 };

async function evaluate(id) {
  const { feedbackId, options, image } = placed.get(id);
  const definition = feedbacks[feedbackId];
  if (!definition) return tell({ feedback: { id, error: `no feedback ${feedbackId}` } });
  const event = { type: definition.type, id, controlId: 'c', feedbackId, options, previousOptions: null, image };
  tell({ feedback: { id, value: await definition.callback(event, { type: 'feedback' }) } });
}

/** Callbacks do not cross a process's border; everything else of a definition does. */
const data = (value) => JSON.parse(JSON.stringify(value));

const context = {
  _isInstanceContext: true,
  id: 'test',
  label: 'booth',
  upgradeScripts: [],
  saveConfig: () => {},
  updateStatus: (status, message) => tell({ status: { status, message } }),
  oscSend: () => {},
  recordAction: () => {},
  setActionDefinitions: (given) => {
    actions = given;
    tell({ actions: data(given) });
  },
  subscribeActions: () => {},
  unsubscribeActions: () => {},
  setFeedbackDefinitions: (given) => {
    feedbacks = given;
    counted.definitions++;
    tell({ feedbacks: data(given) });
    for (const id of placed.keys()) void evaluate(id);
  },
  unsubscribeFeedbacks: () => {},
  checkFeedbacks: (types) => {
    for (const [id, { feedbackId }] of placed) if (types.includes(feedbackId)) void evaluate(id);
  },
  checkAllFeedbacks: () => {
    for (const id of placed.keys()) void evaluate(id);
  },
  checkFeedbacksById: (ids) => {
    for (const id of ids) if (placed.has(id)) void evaluate(id);
  },
  setPresetDefinitions: (structure, presets) => tell({ presets: data({ structure, presets }) }),
  setVariableDefinitions: (given) => {
    defined = given;
    tell({ variables: given });
  },
  setVariableValues: (values) => {
    counted.values++;
    for (const id of Object.keys(values)) if (!(id in defined)) tell({ log: { level: 'error', message: `undefined variable ${id}` } });
    tell({ values: data(values) });
  },
  getVariableValue: () => undefined,
  sharedUdpSocketHandlers: new Map(),
  sharedUdpSocketJoin: async () => '',
  sharedUdpSocketLeave: async () => {},
  sharedUdpSocketSend: async () => {},
};

const { default: Module, UpgradeScripts } = await import(entry);
const module = new Module(context);

const verbs = {
  init: ({ config, secrets }) => module.init(config, false, secrets),
  configure: ({ config, secrets }) => module.configUpdated(config, secrets),
  destroy: () => module.destroy(),
  fields: () => data(module.getConfigFields()),
  upgrade: ({ props }) => UpgradeScripts.map((script) => script({ currentConfig: {} }, props)),
  counted: () => counted,
  logs: () => logs,
  press: async ({ actionId, options }) => {
    const definition = actions[actionId];
    if (!definition) throw new Error(`no action ${actionId}`);
    await definition.callback({ id: 'a', controlId: 'c', actionId, options, surfaceId: undefined }, { type: 'action' });
  },
  place: async ({ id, feedbackId, options, image }) => {
    placed.set(id, { feedbackId, options, image });
    await evaluate(id);
  },
  unplace: ({ id }) => {
    const { feedbackId, options } = placed.get(id);
    placed.delete(id);
    feedbacks[feedbackId]?.unsubscribe?.({ id, controlId: 'c', feedbackId, options, type: 'boolean', previousOptions: null }, { type: 'feedback' });
  },
  /** What the permissions leave open. */
  may: () => ({
    read: process.permission.has('fs.read', '/etc/hostname'),
    write: process.permission.has('fs.write', '/tmp'),
    child: process.permission.has('child'),
    worker: process.permission.has('worker'),
  }),
};

process.on('message', async ({ call, verb, args }) => {
  try {
    tell({ call, result: await verbs[verb](args ?? {}) });
  } catch (error) {
    tell({ call, failed: String(error?.stack ?? error) });
  }
});
// A module that was destroyed leaves nothing behind that keeps its process: the loop ends by itself, or this tells.
process.on('disconnect', () => setTimeout(() => process.exit(3), 3_000).unref());
tell({ ready: true });
