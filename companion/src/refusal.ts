// Why something was not done: a stable reason and one line for people.

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { Code, ConnectError } from '@connectrpc/connect';

import { plain } from './text';

export class Refusal extends Error {
  constructor(
    /** The server's reason (docs/errors.md), or one of this module: NOT_CONNECTED, NOBODY_THERE, CHANGED_MEANWHILE. */
    readonly reason: string,
    message: string,
    readonly code?: Code,
  ) {
    super(message);
  }
}

/** Whatever was thrown, as a refusal. */
export function refusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (broken(error)) return new Refusal('CONNECTION_BROKEN', 'the connection to the server broke off', Code.Unavailable);
  const failed = ConnectError.from(error);
  const reason = reasonOf(failed) ?? Code[failed.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
  const text = plain(failed.rawMessage, 200);
  if (reason === 'DEADLINE_EXCEEDED') return new Refusal(reason, 'no answer from the server in time', failed.code);
  return new Refusal(reason, text || reason, failed.code);
}

/** Whether the connection ended under a call; the transport gives such errors different codes, ABORTED among them. */
function broken(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    if ('code' in cause && ['ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED'].includes(String(cause.code))) return true;
  }
  return false;
}

/** `ErrorInfo.reason` among the details. */
function reasonOf(error: ConnectError): string | undefined {
  for (const detail of error.details) {
    if ('type' in detail && detail.type === 'google.rpc.ErrorInfo' && 'value' in detail) {
      const reason = firstString(detail.value as Uint8Array);
      if (reason && /^[A-Z0-9_]{1,64}$/.test(reason)) return reason;
    }
  }
  return undefined;
}

/** Field 1, which is the reason in `google.rpc.ErrorInfo`: not worth a generated type. */
function firstString(message: Uint8Array): string | undefined {
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === WireType.LengthDelimited) return reader.string();
      reader.skip(type, field);
    }
  } catch {
    // Not what it says it is: the code alone has to do.
  }
  return undefined;
}

/** Whether the same request may be sent again: it may or may not have arrived. */
export function mayRepeat(refused: Refusal): boolean {
  const transport = ['UNAVAILABLE', 'CONNECTION_BROKEN', 'SERVER_BUSY'].includes(refused.reason);
  return transport || refused.code === Code.DeadlineExceeded;
}
