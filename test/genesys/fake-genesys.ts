import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Answer = (seen: Seen, response: ServerResponse) => void;

export interface FakeGenesys {
  readonly baseUrl: string;
  /** API calls, in their order; those for tokens are apart. */
  readonly calls: Seen[];
  readonly tokenCalls: Seen[];
  readonly openSockets: () => number;
}

/**
 * A real server on loopback. Answers API calls with `answer` and hands out token-1, token-2 … unless
 * `token` says otherwise. Ends with the test.
 */
export async function startFakeGenesys(answer: Answer, token?: Answer): Promise<FakeGenesys> {
  const calls: Seen[] = [];
  const tokenCalls: Seen[] = [];
  const sockets = new Set<unknown>();
  const issue: Answer = (_seen, response) =>
    json(response, 200, {
      access_token: `token-${tokenCalls.length}`,
      expires_in: 3600,
      token_type: 'bearer',
    });

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const seen = { method, url, headers, body: Buffer.concat(chunks).toString() };
      const isToken = url === '/oauth/token';
      (isToken ? tokenCalls : calls).push(seen);
      (isToken ? (token ?? issue) : answer)(seen, response);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    server.closeAllConnections();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    calls,
    tokenCalls,
    openSockets: () => sockets.size,
  };
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Each answer once, the last one for ever. */
export function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (seen, response) => {
    answers[Math.min(next, answers.length - 1)]?.(seen, response);
    next += 1;
  };
}

export const ok: Answer = (_seen, response) => json(response, 200, { fine: true });

export const status =
  (code: number, headers: Record<string, string> = {}, body: unknown = {}): Answer =>
  (_seen, response) =>
    json(response, code, body, headers);
