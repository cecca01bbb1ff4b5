// The API as others' clients use it: Connect's own library in each of its forms, and a page of another origin.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { launch } from './chromium.mjs';
import { Server } from './server.mjs';

const site = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>panel</title>'));
await new Promise((ready) => site.listen(0, '127.0.0.1', () => ready(undefined)));
const origin = `http://127.0.0.1:${site.address().port}`;

const server = new Server({ 'grpc.cors_origins': JSON.stringify([origin]) });
let registry;
let token;
/** @type {import('playwright-core').Browser} */
let browser;
let failed = false;

before(async () => {
  await server.start();
  token = await server.token();
  const buf = resolve(import.meta.dirname, '../../scripts/buf.sh');
  const built = await promisify(execFile)(buf, ['build', '-o', '-'], { encoding: 'buffer', maxBuffer: 8_000_000 });
  registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, built.stdout));
});
after(async () => {
  await browser?.close();
  site.close();
  await server.clear(failed);
});

/** A test after whose failure the server's log is shown. @param {string} name @param {() => Promise<void>} body */
function scene(name, body) {
  test(name, async () => {
    try {
      await body();
    } catch (error) {
      failed = true;
      throw error;
    }
  });
}

/** @param {string} bearer */
const signedIn = (bearer) => (next) => (request) => {
  request.header.set('authorization', `Bearer ${bearer}`);
  return next(request);
};

/** Every form that Connect's library speaks to us. */
const FORMS = {
  'Connect, JSON, HTTP/1.1': [createConnectTransport, { httpVersion: '1.1' }],
  'Connect, protobuf, HTTP/1.1': [createConnectTransport, { httpVersion: '1.1', useBinaryFormat: true }],
  'Connect, JSON, HTTP/2': [createConnectTransport, { httpVersion: '2' }],
  'gRPC-web, HTTP/1.1': [createGrpcWebTransport, { httpVersion: '1.1' }],
  'gRPC-web, HTTP/2': [createGrpcWebTransport, { httpVersion: '2' }],
  gRPC: [createGrpcTransport, {}],
};

for (const [form, [transport, options]] of Object.entries(FORMS)) {
  const client = (service, bearer = token) =>
    createClient(
      registry.getService(`booth.v1.${service}`),
      transport({ baseUrl: server.grpc, interceptors: [signedIn(bearer)], ...options }),
    );

  scene(`${form}: a call, an error, a deadline`, async () => {
    const { slots } = await client('SlotService').listSlots({});
    assert.deepEqual(slots.map((slot) => slot.name), ['slots/1', 'slots/2']);
    const refused = await client('SlotService')
      .getSlot({ name: 'slots/none' })
      .then(() => assert.fail('answered'), ConnectError.from);
    assert.equal(refused.code, Code.NotFound);
    assert.deepEqual(refused.details.map((detail) => detail.type), ['google.rpc.ErrorInfo']);
    const stranger = await client('SlotService', 'guess')
      .listSlots({})
      .then(() => assert.fail('answered'), ConnectError.from);
    assert.equal(stranger.code, Code.Unauthenticated);
    assert.ok(await client('SystemService').getStatus({}, { timeoutMs: 5_000 }));
  });

  scene(`${form}: a stream, until it is left`, async () => {
    const leave = new AbortController();
    const seen = [];
    const stream = client('WatchService').watch({ heartbeatS: 1 }, { signal: leave.signal });
    await assert.rejects(async () => {
      for await (const { message } of stream) {
        seen.push(message.case);
        if (seen.length === 1) {
          const { operatorId, requestId } = { operatorId: `o${Math.random().toString(36).slice(2, 9)}`, requestId: '' };
          await client('OperatorService').createOperator({ operatorId, role: 1, requestId });
        }
        if (seen.includes('change') && seen.includes('heartbeat')) leave.abort();
      }
    }, (error) => ConnectError.from(error).code === Code.Canceled);
    assert.equal(seen[0], 'snapshot');
    assert.equal(seen[1], 'change');
  });

  scene(`${form}: an error is the end of a stream`, async () => {
    const refused = await (async () => {
      for await (const _ of client('WatchService').watch({ heartbeatS: 61 })) assert.fail('answered');
    })().then(() => assert.fail('ended'), ConnectError.from);
    assert.equal(refused.code, Code.InvalidArgument);
  });
}

scene('a page of an allowed origin calls, watches through a restart, and shows tiles', async () => {
  browser = await launch();
  const page = await browser.newPage();
  await page.goto(origin);
  const asked = { api: server.grpc, token };
  const link = await page.evaluate(async ({ api, token }) => {
    const answer = await fetch(`${api}/booth.v1.OperatorService/GetLinkToken`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'connect-protocol-version': '1' },
      body: '{}',
    });
    return (await answer.json()).token;
  }, asked);
  assert.match(link, /^link\./);

  const width = await page.evaluate(async ({ api, link }) => {
    const picture = new Image();
    picture.crossOrigin = 'anonymous';
    picture.src = `${api}/tiles/slots/1.png?token=${link}`;
    await picture.decode();
    return picture.naturalWidth;
  }, { api: server.grpc, link });
  assert.equal(width, 320);

  await page.evaluate(({ api, link }) => {
    window.seen = [];
    const events = new EventSource(`${api}/booth.v1.WatchService/Watch?token=${link}`);
    for (const name of ['snapshot', 'change', 'end']) {
      events.addEventListener(name, (event) => window.seen.push({ name, id: event.lastEventId, data: JSON.parse(event.data) }));
    }
  }, { api: server.grpc, link });
  const told = (operator) =>
    page.waitForFunction((name) => window.seen.some((e) => e.name === 'change' && JSON.stringify(e.data).includes(name)), operator);
  await page.waitForFunction(() => window.seen.length > 0);
  await server.booth('operator', 'add', 'before', '--role', 'viewer');
  await told('operators/before');
  await server.kill();
  await server.start();
  await server.booth('operator', 'add', 'afterwards', '--role', 'viewer');
  await told('operators/afterwards');
  // It went on from where it was.
  const names = await page.evaluate(() => window.seen.map((event) => event.name));
  assert.equal(names.filter((name) => name === 'snapshot').length, 1, names.join());
});
