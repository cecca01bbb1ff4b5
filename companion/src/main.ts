// The module as Companion runs it: one connection to one server. Facts come in by the link, go into mirror and meters,
// and out to Companion in batches; presses go out by the desk. Nothing is shown that the server did not say.

import { InstanceBase, InstanceStatus, type SomeCompanionConfigField } from '@companion-module/base';

import { Role } from '../gen/booth/v1/common_pb';
import type { Operator } from '../gen/booth/v1/operator_pb';
import type { WatchMetersResponse, WatchResponse } from '../gen/booth/v1/watch_pb';
import pkg from '../package.json' with { type: 'json' };
import { actions } from './actions/index';
import type { Choices } from './actions/fields';
import { Api } from './api';
import { ConfigError, configFields, type Settings, settings } from './config';
import type { Desk } from './desk';
import { feedbacks, METERED, type Stage } from './feedbacks';
import { Link } from './link';
import { Meters } from './meters';
import { millis, Mirror } from './mirror';
import type { Picture } from './picture';
import { presets } from './presets';
import { Presses } from './press';
import { Refusal, refusal } from './refusal';
import { ServerTime } from './servertime';
import { Shown } from './shown';
import { idOf, plain } from './text';
import { type Of, Tiles } from './tiles';
import type { Config, Secrets, Types } from './types';
import { definitions, metered, values } from './variables';

export { UpgradeScripts } from './upgrades';

/** Changes that come together are told together. */
const BATCH_MS = 40;
/** Elapsed times. */
const TICK_MS = 1_000;
/** How long a press waits to see what the press before it did. */
const CATCH_UP_MS = 1_000;
/** The longest that `refused` may be asked to show. */
const REFUSED_SHOWN_MS = 61_000;

interface Titled {
  name: string;
  settings?: { title?: string | undefined } | undefined;
}

interface Session {
  settings: Settings;
  api: Api;
  link: Link;
  presses: Presses;
  stop: AbortController;
}

export default class Booth extends InstanceBase<Types> implements Desk, Stage {
  mirror = new Mirror();
  meters = new Meters();
  show = 'main';
  connected = false;
  refusedAt = Number.NEGATIVE_INFINITY;
  readonly #time = new ServerTime();
  readonly #shown = new Shown((changed) => this.setVariableValues(changed));
  readonly #tiles = new Tiles({
    on: () => this.connected,
    now: () => this.#time.now(Date.now()),
    changed: (ids) => this.checkFeedbacksById(...ids),
  });
  #session: Session | undefined;
  #batch: NodeJS.Timeout | undefined;
  #tick: NodeJS.Timeout | undefined;
  /** What the definitions were made of. */
  #defined = '';
  #digest = '';
  /** Presses that wait until the mirror has this revision. */
  readonly #waiting = new Set<{ revision: bigint; seen: () => void }>();

  override async init(config: Config, _first: boolean, secrets: Secrets): Promise<void> {
    this.#tick = setInterval(() => {
      this.#tell();
      if (performance.now() - this.refusedAt < REFUSED_SHOWN_MS) this.checkFeedbacks('refused');
    }, TICK_MS);
    await this.configUpdated(config, secrets);
  }

  override async configUpdated(config: Config, secrets: Secrets): Promise<void> {
    this.#end();
    this.mirror = new Mirror();
    this.meters = new Meters();
    this.#time.reset();
    this.#shown.reset();
    this.#defined = '';
    try {
      this.#start(settings(config, secrets));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#define();
      this.#shown.set({ connection: error.message });
      this.updateStatus(error.status, error.message);
    }
  }

  override async destroy(): Promise<void> {
    clearInterval(this.#tick);
    this.#end();
  }

  override getConfigFields(): SomeCompanionConfigField[] {
    return configFields();
  }

  #start(to: Settings): void {
    this.show = to.show;
    const stop = new AbortController();
    const api = new Api(to.url, to.token, to.ca);
    // What an ended session still has to say is about another server.
    const current = (tell: () => void) => !stop.signal.aborted && tell();
    const link = new Link(api, pkg.version, to.meterRate, () => this.mirror.revision, {
      status: (status, message) => current(() => this.#status(status, message)),
      met: ({ version, operator }) => current(() => this.#met(version, operator)),
      message: (message) => current(() => this.#message(message)),
      meters: (reading) => current(() => this.#reading(reading)),
      lost: (why) => current(() => this.#lost(why)),
      log: (level, line) => current(() => this.log(level, line)),
    });
    this.#session = { settings: to, api, link, presses: new Presses((revision) => this.#caughtUp(revision)), stop };
    this.#define();
    this.#shown.set({ last_error: '', last_error_reason: '' });
    void link.run().catch((error: unknown) => {
      this.log('error', `The connection ended: ${refusal(error).message}`);
      this.updateStatus(InstanceStatus.UnknownError, 'see the log');
    });
    void this.#tiles.run(api, stop.signal);
  }

  #end(): void {
    clearTimeout(this.#batch);
    this.#batch = undefined;
    this.connected = false;
    this.#session?.stop.abort();
    this.#session?.presses.close();
    this.#session?.link.close();
    this.#session = undefined;
    this.#tiles.clear();
  }

  #status(status: InstanceStatus, message: string | null): void {
    const works = status === InstanceStatus.Ok || status === InstanceStatus.UnknownWarning;
    this.updateStatus(status, message);
    this.#shown.set({ connection: works ? 'connected' : (message ?? 'connecting') });
    if (works === this.connected) return;
    this.connected = works;
    this.#changed();
  }

  #met(version: string, operator: Operator | undefined): void {
    this.#shown.set({
      server_version: version,
      operator: operator ? plain(operator.displayName || idOf(operator.name)) : '',
      role: operator ? (Role[operator.role] ?? '') : '',
    });
  }

  #lost(why: Refusal): void {
    if (this.connected) this.log('warn', `Connection lost: ${why.message}`);
    this.mirror.broken();
    this.#tiles.clear();
  }

  #message(message: WatchResponse): void {
    const { message: is } = message;
    if (is.case === 'heartbeat') this.#time.heard(millis(is.value.time), Date.now());
    if (this.mirror.apply(message)) this.#changed();
    for (const waiting of this.#waiting) if (waiting.revision <= this.mirror.revision) waiting.seen();
  }

  #reading(reading: WatchMetersResponse): void {
    const now = performance.now();
    this.#time.heard(Number(reading.atMs), Date.now());
    this.meters.apply(reading, now);
    this.#shown.set(metered(this.mirror, this.meters, now));
    this.#checkMetered();
  }

  /** Only when one of the feedbacks that read meters may have changed. */
  #checkMetered(): void {
    const digest = this.meters.digest(performance.now());
    if (digest === this.#digest) return;
    this.#digest = digest;
    const [first, ...more] = METERED;
    if (first) this.checkFeedbacks(first, ...more);
  }

  /** Something changed: tells Companion soon, with whatever else changes until then. */
  #changed(): void {
    this.#batch ??= setTimeout(() => {
      this.#batch = undefined;
      this.#define();
      this.#tell();
      this.checkAllFeedbacks();
    }, BATCH_MS);
  }

  #tell(): void {
    if (!this.#session) return;
    this.#checkMetered();
    const now = performance.now();
    // A clock that stands tells that the rest is old, too; a level would not.
    if (!this.connected) return this.#shown.set(metered(this.mirror, this.meters, now));
    this.#shown.set(values(this.mirror, this.show, this.#time.now(Date.now())));
  }

  /** Definitions follow what there is; they are made anew only when something came, went or was renamed. */
  #define(): void {
    const named = (of: Titled) => [of.name, of.settings?.title];
    const slots = this.mirror.slots;
    const channels = this.mirror.channels;
    const made = JSON.stringify([this.label, slots.map(named), channels.map((of) => [named(of), of.destinations.map(({ name }) => name)])]);
    if (made === this.#defined) return;
    this.#defined = made;
    const choice = (of: Titled) => {
      const title = plain(of.settings?.title ?? '', 40);
      return { id: idOf(of.name), label: title ? `${idOf(of.name)} – ${title}` : idOf(of.name) };
    };
    const choices: Choices = {
      slots: slots.map(choice),
      channels: channels.map(choice),
      destinations: channels.flatMap((channel) =>
        channel.destinations.map(({ name }) => {
          const id = `${idOf(channel.name)}/${idOf(name)}`;
          return { id, label: id };
        }),
      ),
    };
    const variables = definitions(this.mirror);
    this.setVariableDefinitions(variables);
    this.#shown.only(new Set(Object.keys(variables)));
    this.setActionDefinitions(actions(this, choices));
    this.setFeedbackDefinitions(feedbacks(this, choices));
    const { structure, presets: all } = presets(this.mirror, this.label);
    this.setPresetDefinitions(structure, all);
  }

  live(): { api: Api; presses: Presses } {
    if (!this.#session || !this.connected) throw new Refusal('NOT_CONNECTED', 'not connected: what is shown is old');
    return this.#session;
  }

  async press(what: string, run: () => Promise<void>): Promise<void> {
    const session = this.#session;
    try {
      await run();
      if (session === this.#session) this.#shown.set({ last_error: '', last_error_reason: '' });
    } catch (error) {
      const refused = this.#named(refusal(error));
      this.log('warn', `${plain(what, 80)}: refused, ${refused.message} (${refused.reason})`);
      if (session !== this.#session) return;
      this.#shown.set({ last_error: refused.message, last_error_reason: refused.reason });
      this.refusedAt = performance.now();
      this.checkFeedbacks('refused');
    }
  }

  /** The server names callers by id; on a button the name says more. */
  #named(refused: Refusal): Refusal {
    const text = refused.message.replace(/\bcaller ([a-z0-9]{4,32})\b/g, (whole, id: string) => {
      const known = this.mirror.find(this.show, id);
      return known ? this.mirror.nameOf(known.name) : whole;
    });
    return new Refusal(refused.reason, text, refused.code);
  }

  #caughtUp(revision: bigint): Promise<void> {
    if (this.mirror.revision >= revision) return Promise.resolve();
    return new Promise((done) => {
      const waiting = {
        revision,
        seen: () => {
          clearTimeout(patience);
          this.#waiting.delete(waiting);
          done();
        },
      };
      const patience = setTimeout(waiting.seen, CATCH_UP_MS);
      this.#waiting.add(waiting);
    });
  }

  picture(feedbackId: string, of: Of | undefined): Picture | undefined {
    return this.#tiles.want(feedbackId, of);
  }

  forget(feedbackId: string): void {
    this.#tiles.forget(feedbackId);
  }
}
