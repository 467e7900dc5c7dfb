import { UpstreamError } from '../errors.ts';

/**
 * An id from outside as one segment of a path.
 *
 * @throws UpstreamError `genesys_not_found` for what cannot be one: servers and proxies resolve
 *   `.` and `..` before they route, even when they are encoded.
 */
export function pathSegment(id: string, what: string): string {
  if (id === '' || id === '.' || id === '..' || !id.isWellFormed()) {
    throw new UpstreamError(`There is no ${what} with the id ${JSON.stringify(id)}.`, {
      code: 'genesys_not_found',
      kind: 'reject',
      service: 'genesys',
    });
  }
  return encodeURIComponent(id);
}
