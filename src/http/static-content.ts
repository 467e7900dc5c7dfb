import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Call } from './route.ts';

const compress = promisify(gzip);

export interface StaticContent {
  /** Writes the answer, compressed for who takes that; no file is open for it. */
  answer(
    call: Pick<Call, 'request' | 'response'>,
    headers: Readonly<Record<string, string>>,
  ): Promise<undefined>;
}

/**
 * What never changes while the service runs: read and compressed once, when it is first asked for,
 * and kept in memory. Answers share those bytes, so that a caller who asks a thousand times and
 * reads nothing costs no thousand open files and no thousand copies.
 */
export function createStaticContent(read: () => Promise<Buffer>): StaticContent {
  let loading: Promise<{ plain: Buffer; gzipped: Buffer }> | undefined;

  async function load() {
    const plain = await read();
    return { plain, gzipped: await compress(plain) };
  }

  return {
    async answer({ request, response }, headers) {
      loading ??= load();
      const content = await loading.catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      if (response.headersSent || response.destroyed) return;
      const isGzipped = request.acceptsEncodings('gzip', 'identity') === 'gzip';
      const bytes = isGzipped ? content.gzipped : content.plain;
      response.set({
        ...headers,
        vary: 'accept-encoding',
        'content-length': String(bytes.length),
        ...(isGzipped && { 'content-encoding': 'gzip' }),
      });
      response.end(bytes);
    },
  };
}
