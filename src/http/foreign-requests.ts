import { isIP, isIPv6 } from 'node:net';
import type { RequestHandler } from 'express';
import { cutText } from '../lib/cut-text.ts';
import type { Authentication } from './auth/authentication.ts';
import { Problem } from './problem.ts';

export interface ForeignRequestOptions {
  /** Without any scheme nobody is asked for credentials. */
  readonly authentication: Pick<Authentication, 'schemes'>;
  /** Names under which callers know this service, in lower case; without ports. */
  readonly allowedHosts: readonly string[];
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what a page of another site makes its reader's browser send: the browser may be on a
 * network, or have a proxy that adds credentials, which the page has not.
 *
 * A page that lets its own name lead to our address (DNS rebinding) is of the same site for the
 * browser, but says that name in `Host`. An address there is nobody's name.
 */
export function refuseForeign(options: ForeignRequestOptions): RequestHandler {
  const { authentication, allowedHosts } = options;
  const names = new Set(['localhost', ...allowedHosts]);
  const checksHost = authentication.schemes.length === 0 || allowedHosts.length > 0;

  return (request, _response, next) => {
    const { host, origin, 'sec-fetch-site': site } = request.headers;
    if (checksHost && host !== undefined) {
      const name = hostname(host);
      if (name === undefined || (isIP(name) === 0 && !names.has(name))) throw foreignHost(host);
    }
    if (!SAFE_METHODS.has(request.method)) {
      // Browsers say the site to https and loopback only; to others they say the origin.
      const isForeign =
        site === undefined
          ? origin !== undefined && !isOwnOrigin(origin, host)
          : site !== 'same-origin' && site !== 'none';
      if (isForeign) throw crossSite();
    }
    next();
  };

  function isOwnOrigin(origin: string, host: string | undefined): boolean {
    // `null`: a page without an origin, for example in a sandboxed frame.
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    return url.host === host?.toLowerCase() || allowedHosts.includes(url.hostname);
  }
}

/** Of a `Host` header, without port, brackets and the dot at the end. */
function hostname(authority: string): string | undefined {
  const match = /^(?:\[(?<v6>[\da-f:.]+)\]|(?<name>[\w.-]+))(?::\d{1,5})?$/i.exec(
    authority,
  )?.groups;
  const v6 = match?.['v6'];
  if (v6 !== undefined) return isIPv6(v6) ? v6 : undefined;
  return match?.['name']?.toLowerCase().replace(/\.$/, '');
}

function foreignHost(host: string): Problem {
  return new Problem(
    421,
    'foreign_host',
    `This service is not known as ${JSON.stringify(cutText(host, 100))}. Allowed: localhost, addresses, and the names in ALLOWED_HOSTS.`,
  );
}

function crossSite(): Problem {
  return new Problem(
    403,
    'cross_site',
    'A page of another site sent this request; only pages of this service, and programs, may.',
  );
}
