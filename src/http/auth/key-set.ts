import { createPublicKey } from 'node:crypto';
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JWK,
  type JWSHeaderParameters,
} from 'jose';
import { request } from 'undici';
import { createOutgoingAgent, type Network } from '../../lib/network/outgoing-agent.ts';
import { keyWeakness } from './key-strength.ts';

export interface KeySetOptions {
  readonly url: string;
  readonly network?: Network | undefined;
  /** No two fetches are closer than this, whatever callers send, in milliseconds. */
  readonly minIntervalMs?: number;
  readonly timeoutMs?: number;
  /** A fetch may take longer than any caller waits for it, in milliseconds. */
  readonly maxWaitMs?: number;
  readonly now?: () => number;
}

/** The issuer's keys could not be fetched, or not within the time that a caller waits. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/**
 * An issuer's published keys (RFC 7517). Fetched when first needed, again when they are old, and
 * when a token names a key that is not among them: the issuer may have rotated. Old keys stay in
 * use while the issuer cannot be reached.
 *
 * Who waits has not proved anything yet: few wait at a time, none for long, and after a failure
 * nobody does for a while; the next attempts go on behind.
 */
export interface KeySet {
  /**
   * The key for this header; without an id the only one of the set. `unknown`: none has
   * that id; `unfit`: it is not for that algorithm.
   * @throws KeysUnavailable when no keys could be fetched at all
   */
  find(header: JWSHeaderParameters): Promise<CryptoKey | 'unknown' | 'unfit'>;
  stop(): Promise<void>;
}

/** After a failure the next fetch may come this soon, in milliseconds. */
const RETRY_INTERVAL_MS = 2000;
/** For so long after a failure nobody waits for another fetch, in milliseconds. */
const FAILURE_HOLDS_MS = 10_000;
/** How long fetched keys are used before they are looked up again, in milliseconds. */
const MAX_AGE_MS = 600_000;
const MAX_WAITING = 50;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;
const PUBLIC_KEY_TYPES: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP']);

interface Keys {
  readonly ids: ReadonlySet<string>;
  readonly size: number;
  readonly resolve: ReturnType<typeof createLocalJWKSet>;
}

export function createKeySet(options: KeySetOptions): KeySet {
  const now = options.now ?? Date.now;
  const minIntervalMs = options.minIntervalMs ?? 30_000;
  const timeoutMs = options.timeoutMs ?? 5000;
  const maxWaitMs = options.maxWaitMs ?? 2000;
  const agent = createOutgoingAgent({
    connectTimeoutMs: timeoutMs,
    maxResponseSize: MAX_BYTES,
    network: options.network,
  });
  let keys: Keys | undefined;
  let fetchedAtMs = -Infinity;
  let triedAtMs = -Infinity;
  let failedAtMs = -Infinity;
  /** Set while a fetch goes on; ends with it, or when it has taken as long as anybody waits. */
  let flight: Promise<void> | undefined;
  let waiting = 0;
  let lastError: unknown;

  async function fetchKeys(): Promise<void> {
    triedAtMs = now();
    try {
      const answer = await request(options.url, {
        dispatcher: agent,
        headers: { accept: 'application/jwk-set+json, application/json' },
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (answer.statusCode !== 200) {
        await answer.body.dump();
        throw new Error(`The key set answered ${answer.statusCode}`);
      }
      keys = parseKeySet(await answer.body.json());
      fetchedAtMs = now();
      failedAtMs = -Infinity;
      lastError = undefined;
    } catch (error) {
      failedAtMs = now();
      lastError = error;
    }
  }

  function startFetch(): void {
    flight = new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        // As good as failed for whoever comes now.
        failedAtMs = now();
        resolve();
      }, maxWaitMs);
      void fetchKeys().finally(() => {
        clearTimeout(timer);
        flight = undefined;
        resolve();
      });
    });
  }

  function isDue(): boolean {
    const intervalMs =
      lastError === undefined ? minIntervalMs : Math.min(minIntervalMs, RETRY_INTERVAL_MS);
    return flight === undefined && now() - triedAtMs >= intervalMs;
  }

  /** Never rejects. */
  async function refresh(): Promise<void> {
    if (isDue()) startFetch();
    const failedLately = now() - failedAtMs < FAILURE_HOLDS_MS;
    if (flight === undefined || failedLately || waiting >= MAX_WAITING) return;
    waiting += 1;
    try {
      await flight;
    } finally {
      waiting -= 1;
    }
  }

  async function lookUp(header: JWSHeaderParameters): Promise<CryptoKey | 'unknown' | 'unfit'> {
    if (keys === undefined) return 'unknown';
    const { ids, size, resolve } = keys;
    // A token has to say which of several it means: the issuer may keep them apart for a reason.
    if (header.kid === undefined && size > 1) return 'unknown';
    try {
      return await resolve(header);
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      return header.kid !== undefined && ids.has(header.kid) ? 'unfit' : 'unknown';
    }
  }

  return {
    async find(header) {
      if (keys === undefined) await refresh();
      // Nobody waits for a look-up that only confirms what is known.
      else if (now() - fetchedAtMs >= MAX_AGE_MS) void refresh();
      let found = await lookUp(header);
      if (found === 'unknown' && header.kid !== undefined) {
        await refresh();
        found = await lookUp(header);
      }
      if (keys === undefined) {
        throw new KeysUnavailable('The key set of the issuer could not be fetched', {
          cause: lastError,
        });
      }
      return found;
    },
    stop: () => agent.destroy(),
  };
}

/** The usable public keys; others (encryption, unknown types, weak ones) are left out. */
function parseKeySet(document: unknown): Keys {
  const list = (document as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new Error('The key set has no "keys"');
  // One entry of each id, type and algorithm: more than one would fit no token.
  const usable = new Map<string, JWK>();
  for (const jwk of list.slice(0, MAX_KEYS) as unknown[]) {
    if (isUsable(jwk)) usable.set(JSON.stringify([jwk.kid, jwk.kty, jwk.alg]), jwk);
  }
  const keys = [...usable.values()];
  const ids = new Set(keys.flatMap(({ kid }) => kid ?? []));
  return { ids, size: keys.length, resolve: createLocalJWKSet({ keys }) };
}

function isUsable(value: unknown): value is JWK & { kty: string } {
  if (typeof value !== 'object' || value === null) return false;
  const jwk = value as Record<string, unknown>;
  // A symmetric key has no place in a public document.
  if (!PUBLIC_KEY_TYPES.has(jwk['kty'])) return false;
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return false;
  const operations = jwk['key_ops'];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return false;
  }
  try {
    return keyWeakness(createPublicKey({ key: jwk, format: 'jwk' })) === undefined;
  } catch {
    // One unreadable key must not make the others useless.
    return false;
  }
}
