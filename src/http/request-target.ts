import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { Problem } from './problem.ts';

const VERSIONS = new Set(['1.1', '1.0']);
const ABSOLUTE = /^https?:\/\/(?<authority>[^/?#]*)(?<rest>.*)$/i;

/**
 * Refuses what two readers of a request could understand in two ways (RFC 9112 §3.2): another
 * version of HTTP, no or several hosts, an absolute target that is not on the host. The connection
 * ends, for nobody knows where the next request would begin. An absolute target goes on as its path.
 */
export const requireClearTarget: RequestHandler = (request, _response, next) => {
  if (!VERSIONS.has(request.httpVersion)) {
    throw malformed(`HTTP/${request.httpVersion} is not spoken here; HTTP/1.1 is.`);
  }
  const hosts = countHosts(request);
  if (hosts > 1) throw malformed(`There are ${hosts} Host headers.`);
  if (hosts === 0 && request.httpVersion === '1.1') throw malformed('The Host header is missing.');
  if (!request.url.startsWith('/') && request.url !== '*') request.url = pathOnHost(request);
  next();
};

function countHosts({ rawHeaders }: IncomingMessage): number {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts;
}

function pathOnHost({ url = '', headers }: IncomingMessage): string {
  const { authority, rest = '' } = ABSOLUTE.exec(url)?.groups ?? {};
  if (authority === undefined) throw malformed('The target is neither a path nor an http address.');
  if (authority.toLowerCase() !== headers.host?.toLowerCase()) {
    throw malformed('The target is on another host than the Host header says.');
  }
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function malformed(detail: string): Problem {
  return new Problem(400, 'malformed_request', detail, { headers: { connection: 'close' } });
}
