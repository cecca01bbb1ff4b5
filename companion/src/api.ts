// The server's services over gRPC-web, with the token on every call.

import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';

import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-node';

import { CallerService } from '../gen/booth/v1/caller_pb';
import { ChannelService } from '../gen/booth/v1/channel_pb';
import { DestinationService } from '../gen/booth/v1/destination_pb';
import { OperatorService } from '../gen/booth/v1/operator_pb';
import { SlotService } from '../gen/booth/v1/slot_pb';
import { SystemService } from '../gen/booth/v1/system_pb';
import { WatchService } from '../gen/booth/v1/watch_pb';

/** A part of a snapshot has 1 MiB and at most one resource more. */
const READ_MAX_BYTES = 8 * 1024 * 1024;
/** Streams and answers share them; more calls than this wait. */
const SOCKETS = 16;

export class Api {
  readonly #agent: HttpAgent | HttpsAgent;
  readonly callers: Client<typeof CallerService>;
  readonly channels: Client<typeof ChannelService>;
  readonly destinations: Client<typeof DestinationService>;
  readonly operators: Client<typeof OperatorService>;
  readonly slots: Client<typeof SlotService>;
  readonly system: Client<typeof SystemService>;
  readonly watch: Client<typeof WatchService>;

  /** `ca`: PEM of authorities to trust beside the usual ones. */
  constructor(url: URL, token: string, ca = '') {
    const options = { keepAlive: true, maxSockets: SOCKETS };
    const trusted = ca ? { ca: [...rootCertificates, ca] } : {};
    this.#agent = url.protocol === 'https:' ? new HttpsAgent({ ...options, ...trusted }) : new HttpAgent(options);
    const signed: Interceptor = (next) => (request) => {
      request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    };
    const transport = createGrpcWebTransport({
      baseUrl: url.origin,
      httpVersion: '1.1',
      interceptors: [signed],
      nodeOptions: { agent: this.#agent },
      readMaxBytes: READ_MAX_BYTES,
    });
    this.callers = createClient(CallerService, transport);
    this.channels = createClient(ChannelService, transport);
    this.destinations = createClient(DestinationService, transport);
    this.operators = createClient(OperatorService, transport);
    this.slots = createClient(SlotService, transport);
    this.system = createClient(SystemService, transport);
    this.watch = createClient(WatchService, transport);
  }

  close(): void {
    this.#agent.destroy();
  }
}
