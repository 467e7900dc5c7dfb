import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { STATUS_CODES } from '../lib/node-http.ts';
import { Problem } from './problem.ts';
import { problemBody } from './problem-of-error.ts';

/** Bytes that are no HTTP request, or headers that are too many or too slow, as a problem. */
export function problemOfMalformed(code: string | undefined): Problem {
  const [status, name, detail] = KNOWN.get(code) ?? [
    400,
    'malformed_request',
    'What was sent is not a valid HTTP request.',
  ];
  return new Problem(status, name, detail);
}

const KNOWN = new Map<string | undefined, [status: number, code: string, detail: string]>([
  ['HPE_HEADER_OVERFLOW', [431, 'headers_too_large', "The request's headers are too large."]],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', [413, 'body_too_large', 'The chunk extensions are too large.']],
  ['ERR_HTTP_REQUEST_TIMEOUT', [408, 'headers_timeout', 'The headers took too long to arrive.']],
]);

/**
 * Answers bytes that are no HTTP, after the answers to what came before them on the connection: so
 * it cannot be taken for one of those. Nothing is said where the answer has begun already.
 */
export function answerMalformedInTurn(
  socket: Socket,
  problem: Problem,
  open: ReadonlySet<{ readonly request: IncomingMessage; readonly response: ServerResponse }>,
): void {
  const before = [...open].filter(({ request }) => request.complete);
  const broken = [...open].find(({ request }) => !request.complete);
  let waiting = before.length;
  const answer = () => {
    if (waiting > 0) return;
    if (socket.writable && broken?.response.headersSent !== true) answerMalformed(socket, problem);
    else socket.destroy();
  };
  for (const { response } of before) {
    response.once('close', () => {
      waiting -= 1;
      answer();
    });
  }
  answer();
}

/** Answers on the bare socket, for there is no response object yet, and closes it. */
function answerMalformed(socket: Socket, problem: Problem): void {
  const body = JSON.stringify(problemBody(problem));
  socket.write(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
      'content-type: application/problem+json; charset=utf-8\r\n' +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  socket.destroySoon();
}
