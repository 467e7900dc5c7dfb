import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Agent, request } from 'undici';

export interface KeySetOptions {
  readonly url: string;
  /** How long fetched keys are used before they are looked up again, in milliseconds. */
  readonly maxAgeMs?: number;
  /** No two fetches are closer than this, whatever callers send, in milliseconds. */
  readonly minIntervalMs?: number;
  readonly timeoutMs?: number;
  readonly now?: () => number;
}

export interface SigningKey {
  readonly key: KeyObject;
  /** The only algorithm the issuer uses it for, when it says so. */
  readonly algorithm: string | undefined;
}

/**
 * An issuer's published keys (RFC 7517). Fetched when first needed, again when they are old, and
 * when a token names a key that is not among them: the issuer may have rotated. Old keys stay in
 * use while the issuer cannot be reached.
 */
export interface KeySet {
  /**
   * The key with this id; without an id the only key there is.
   * @throws Error when no keys could be fetched at all
   */
  find(keyId: string | undefined): Promise<SigningKey | undefined>;
  stop(): Promise<void>;
}

/** After a failure the next fetch may come this soon, in milliseconds. */
const RETRY_INTERVAL_MS = 2000;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;
const PUBLIC_KEY_TYPES: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP']);

export function createKeySet(options: KeySetOptions): KeySet {
  const now = options.now ?? Date.now;
  const maxAgeMs = options.maxAgeMs ?? 600_000;
  const minIntervalMs = options.minIntervalMs ?? 30_000;
  const timeoutMs = options.timeoutMs ?? 5000;
  const agent = new Agent({ connect: { timeout: timeoutMs }, maxResponseSize: MAX_BYTES });
  let keys: ReadonlyMap<string, SigningKey> | undefined;
  let fetchedAtMs = -Infinity;
  let triedAtMs = -Infinity;
  let flight: Promise<void> | undefined;
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
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
  }

  /** Never rejects. */
  async function refresh(): Promise<void> {
    if (flight === undefined) {
      const intervalMs =
        lastError === undefined ? minIntervalMs : Math.min(minIntervalMs, RETRY_INTERVAL_MS);
      if (now() - triedAtMs < intervalMs) return;
      flight = fetchKeys().finally(() => {
        flight = undefined;
      });
    }
    await flight;
  }

  function lookUp(keyId: string | undefined): SigningKey | undefined {
    if (keyId !== undefined) return keys?.get(keyId);
    return keys?.size === 1 ? keys.values().next().value : undefined;
  }

  return {
    async find(keyId) {
      if (keys === undefined) await refresh();
      // Nobody waits for a look-up that only confirms what is known.
      else if (now() - fetchedAtMs >= maxAgeMs) void refresh();
      let found = lookUp(keyId);
      if (found === undefined && keyId !== undefined) {
        await refresh();
        found = lookUp(keyId);
      }
      if (found === undefined && keys === undefined) {
        throw new Error('The key set of the issuer could not be fetched', { cause: lastError });
      }
      return found;
    },
    stop: () => agent.destroy(),
  };
}

/** The usable public keys by id; others (encryption, unknown types) are left out. */
function parseKeySet(document: unknown): ReadonlyMap<string, SigningKey> {
  const list = (document as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new Error('The key set has no "keys"');
  const keys = new Map<string, SigningKey>();
  for (const jwk of list.slice(0, MAX_KEYS) as unknown[]) {
    if (typeof jwk !== 'object' || jwk === null) continue;
    const { kid, kty, use, alg } = jwk as Record<string, unknown>;
    // A symmetric key has no place in a public document.
    if (!PUBLIC_KEY_TYPES.has(kty) || (use !== undefined && use !== 'sig')) continue;
    try {
      const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
      const algorithm = typeof alg === 'string' ? alg : undefined;
      keys.set(typeof kid === 'string' ? kid : '', { key, algorithm });
    } catch {
      // One unreadable key must not make the others useless.
    }
  }
  return keys;
}
