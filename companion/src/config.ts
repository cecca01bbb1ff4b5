// The connection's settings page, and what is made of what people enter there.

import { X509Certificate } from 'node:crypto';

import { InstanceStatus, type SomeCompanionConfigField } from '@companion-module/base';

import type { Config, Secrets } from './types';

export const DEFAULT_URL = 'http://127.0.0.1:7400';
export const METER_RATE = 4;
const METER_RATE_MAX = 10;

export function configFields(): SomeCompanionConfigField[] {
  return [
    {
      type: 'textinput',
      id: 'url',
      label: 'Server',
      description: 'Where boothd’s API listens (grpc.listen), for example http://127.0.0.1:7400; https://… where it has a certificate (grpc.tls_cert)',
      width: 8,
      default: DEFAULT_URL,
      regex: '/^https?:\\/\\/[^\\s\\/]+\\/?$/',
    },
    {
      type: 'secret-text',
      id: 'token',
      label: 'Token',
      description: 'Printed once by: booth operator add companion --role operator',
      width: 12,
    },
    {
      type: 'textinput',
      id: 'show',
      label: 'Show',
      description: 'Whose queue the queue’s buttons and variables are about',
      width: 4,
      default: 'main',
      regex: '/^[a-z0-9-]+$/',
    },
    {
      type: 'textinput',
      id: 'ca',
      label: 'Certificate of your own authority',
      description: 'PEM text, for https:// to a server whose certificate no public authority signed; else empty',
      width: 12,
      multiline: true,
      default: '',
    },
    {
      type: 'number',
      id: 'meter_rate',
      label: 'Level readings a second',
      description: '0 for none',
      width: 4,
      default: METER_RATE,
      min: 0,
      max: METER_RATE_MAX,
    },
  ];
}

export interface Settings {
  url: URL;
  token: string;
  show: string;
  meterRate: number;
  /** PEM; empty for the usual authorities alone. */
  ca: string;
}

export class ConfigError extends Error {
  readonly status = InstanceStatus.BadConfig;
}

/** Settings from what Companion stored; throws a `ConfigError` that says which field is wrong. */
export function settings(config: Partial<Config>, secrets: Secrets | undefined): Settings {
  const entered = String(config.url ?? '').trim();
  const url = URL.parse(entered);
  if (!url || !/^https?:$/.test(url.protocol) || !url.hostname) {
    throw new ConfigError(`Server: “${entered.slice(0, 60)}” is not an address like ${DEFAULT_URL}`);
  }
  if (url.pathname !== '/' || url.search || url.username) {
    throw new ConfigError('Server: scheme, host and port only');
  }
  const token = String(secrets?.token ?? '').trim();
  if (!token) throw new ConfigError('Token: make one with `booth operator add companion --role operator`');
  // It becomes a header, where a line break would start another one.
  if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw new ConfigError('Token: has a character that no token has');
  const show = String(config.show ?? '').trim().replace(/^shows\//, '') || 'main';
  if (!/^[a-z0-9-]{1,64}$/.test(show)) throw new ConfigError('Show: an id has a-z, 0-9 and - only');
  const rate = Number(config.meter_rate ?? METER_RATE);
  const meterRate = Number.isFinite(rate) ? Math.min(METER_RATE_MAX, Math.max(0, Math.round(rate))) : METER_RATE;
  return { url, token, show, meterRate, ca: authority(config.ca) };
}

/** A field of one line loses the line breaks that PEM needs. */
function authority(entered: string | undefined): string {
  const text = String(entered ?? '').trim();
  if (!text) return '';
  const found = [...text.matchAll(/-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]+)-----END CERTIFICATE-----/g)];
  const pem = found.map(([, body = '']) => {
    const lines = body.replace(/\s/g, '').match(/.{1,64}/g) ?? [];
    return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----'].join('\n');
  });
  try {
    for (const one of pem) new X509Certificate(one);
    if (pem.length) return pem.join('\n');
  } catch {
    // Said below.
  }
  throw new ConfigError('Certificate of your own authority: no PEM text (-----BEGIN CERTIFICATE-----…)');
}
