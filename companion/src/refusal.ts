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
  const distrust = tls(error);
  if (distrust) return new Refusal('TLS_FAILED', distrust, Code.Unavailable);
  const reason = reasonOf(failed) ?? Code[failed.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
  const text = plain(failed.rawMessage, 200);
  if (reason === 'DEADLINE_EXCEEDED') return new Refusal(reason, 'no answer from the server in time', failed.code);
  return new Refusal(reason, text || reason, failed.code);
}

/** What is wrong with the way to the server, where that is its certificate or the lack of one. */
function tls(error: unknown): string | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    const code = 'code' in cause ? String(cause.code) : '';
    if (/^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(VERIFY|GET))/.test(code)) {
      return 'nobody who is trusted here signed the server’s certificate: enter that of your own authority in the settings';
    }
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'the server’s certificate is for another name than the one entered';
    if (/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) return 'the server’s certificate is not valid today';
    if (code === 'EPROTO') return 'the server does not speak TLS: enter http:// or give it a certificate (grpc.tls_cert)';
  }
  return undefined;
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
