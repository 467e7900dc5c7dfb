import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Reply } from './operation.ts';

/** The whole body; `undefined` when it is larger. Rejects when the caller goes away. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) {
        request.pause();
        resolve(undefined);
      } else chunks.push(chunk);
    });
    request.once('end', () => {
      const [only] = chunks;
      resolve(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks));
    });
    request.once('error', reject);
    request.once('close', () => reject(new Error('The caller went away')));
  });
}

export function write(
  response: ServerResponse,
  reply: Reply,
  standard?: Readonly<Record<string, string>>,
): void {
  if (reply.stream !== undefined) {
    response.writeHead(reply.status, { ...standard, ...reply.headers });
    response.flushHeaders();
    reply.stream(response);
    return;
  }
  const body = reply.body ?? '';
  response.writeHead(reply.status, {
    ...standard,
    ...reply.headers,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Half of the answer, then `written`. */
export function writeHalf(
  response: ServerResponse,
  reply: Reply,
  standard: Readonly<Record<string, string>> | undefined,
  written: () => void,
): void {
  if (reply.stream !== undefined) {
    response.writeHead(reply.status, { ...standard, ...reply.headers });
    response.write('{"id":"half a li', written);
    return;
  }
  const body = Buffer.from(reply.body ?? 'nothing to cut');
  response.writeHead(reply.status, {
    ...standard,
    ...reply.headers,
    'content-length': body.length,
  });
  response.write(body.subarray(0, Math.ceil(body.length / 2)), written);
}
