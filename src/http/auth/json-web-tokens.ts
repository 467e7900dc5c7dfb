import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import jwt, { type Algorithm, type JwtPayload } from 'jsonwebtoken';
import type { Caller } from '../exchange.ts';
import { isRole } from '../route.ts';
import { verifyEd25519 } from './ed25519-tokens.ts';
import { createKeySet, type KeySet, type KeySetOptions } from './key-set.ts';

export interface JsonWebTokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** One family only: RS, PS, ES and EdDSA (with Ed25519), or HS. */
  readonly algorithms: readonly string[];
  /** Where the key comes from. A shared secret has at least 32 bytes. */
  readonly key:
    | { readonly publicKey: string }
    | { readonly secret: string }
    | { readonly keySet: KeySetOptions };
  /** The claim with the caller's roles: a list, or words separated by spaces. */
  readonly rolesClaim: string;
}

/** Why a token was refused. */
export type TokenRefusal = 'too_long' | 'malformed' | 'unknown_key' | 'expired' | 'invalid';

export class TokenRefused extends Error {
  override name = 'TokenRefused';
  readonly refusal: TokenRefusal;

  constructor(refusal: TokenRefusal, cause?: unknown) {
    super(`The token was refused: ${refusal}`, { cause });
    this.refusal = refusal;
  }
}

export interface JsonWebTokens {
  /** @throws TokenRefused, or another Error when the issuer's keys cannot be had. */
  verify(token: string): Promise<Caller>;
  stop(): Promise<void>;
}

const MAX_TOKEN_LENGTH = 8192;
/** Clocks may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 30;
const MIN_SECRET_BYTES = 32;
const FAMILIES = {
  symmetric: /^HS(?:256|384|512)$/,
  asymmetric: /^(?:(?:RS|PS|ES)(?:256|384|512)|EdDSA)$/,
};
/** What a key of each type can verify: the key decides, never what the token says of itself. */
const ALGORITHMS_OF_KEY: Readonly<Record<string, RegExp>> = {
  rsa: /^[RP]S/,
  ec: /^ES/,
  ed25519: /^EdDSA$/,
};

/** @throws Error when key and algorithms do not belong together. */
export function createJsonWebTokens(options: JsonWebTokenOptions): JsonWebTokens {
  const family = 'secret' in options.key ? FAMILIES.symmetric : FAMILIES.asymmetric;
  // A list of one family and a key object of that family: a public key can never be a secret.
  if (options.algorithms.length === 0 || !options.algorithms.every((name) => family.test(name))) {
    throw new Error(
      'JWT_ALGORITHMS: HS algorithms go with JWT_SECRET, RS, PS, ES and EdDSA with a public key',
    );
  }
  const keySet = 'keySet' in options.key ? createKeySet(options.key.keySet) : undefined;
  const fixedKey = 'keySet' in options.key ? undefined : readKey(options.key);
  if (fixedKey !== undefined && algorithmsFor(fixedKey, options.algorithms).length === 0) {
    const found = `${options.algorithms.join(', ')} with a key of type ${fixedKey.asymmetricKeyType}`;
    throw new Error(
      `JWT_ALGORITHMS: found ${found}; allowed: RS and PS with RSA, ES with EC, EdDSA with Ed25519`,
    );
  }

  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_LENGTH) throw new TokenRefused('too_long');
      const header = decodeHeader(token);
      const { key, algorithms } = await findKey(header, options, fixedKey, keySet);
      const payload = verifySignatureAndClaims(token, key, algorithms, options);
      return {
        name: typeof payload.sub === 'string' ? payload.sub.slice(0, 200) : 'unknown',
        roles: rolesOf(payload, options.rolesClaim),
      };
    },
    stop: async () => keySet?.stop(),
  };
}

function readKey(key: { publicKey: string } | { secret: string }): KeyObject {
  if ('publicKey' in key) return createPublicKey(key.publicKey);
  const secret = Buffer.from(key.secret, 'utf8');
  if (secret.length < MIN_SECRET_BYTES) {
    throw new Error(`JWT_SECRET: has less than ${MIN_SECRET_BYTES} bytes`);
  }
  return createSecretKey(secret);
}

function decodeHeader(token: string): { kid?: string } {
  let header: unknown;
  try {
    header = jwt.decode(token, { complete: true })?.header;
  } catch (error) {
    throw new TokenRefused('malformed', error);
  }
  if (typeof header !== 'object' || header === null) throw new TokenRefused('malformed');
  // RFC 7515 §4.1.11: what is critical and not understood makes the token invalid.
  if ('crit' in header) throw new TokenRefused('invalid');
  const kid = 'kid' in header ? header.kid : undefined;
  if (kid !== undefined && typeof kid !== 'string') throw new TokenRefused('malformed');
  return kid === undefined ? {} : { kid };
}

async function findKey(
  header: { kid?: string },
  options: JsonWebTokenOptions,
  fixedKey: KeyObject | undefined,
  keySet: KeySet | undefined,
): Promise<{ key: KeyObject; algorithms: readonly string[] }> {
  if (fixedKey !== undefined) {
    return { key: fixedKey, algorithms: algorithmsFor(fixedKey, options.algorithms) };
  }
  const found = await keySet?.find(header.kid);
  if (found === undefined) throw new TokenRefused('unknown_key');
  const { key, algorithm } = found;
  const algorithms = algorithmsFor(key, options.algorithms).filter(
    (name) => algorithm === undefined || name === algorithm,
  );
  if (algorithms.length === 0) throw new TokenRefused('invalid');
  return { key, algorithms };
}

function algorithmsFor(key: KeyObject, algorithms: readonly string[]): readonly string[] {
  const fitting =
    key.type === 'secret' ? FAMILIES.symmetric : ALGORITHMS_OF_KEY[key.asymmetricKeyType ?? ''];
  return algorithms.filter((name) => fitting?.test(name) === true);
}

function verifySignatureAndClaims(
  token: string,
  key: KeyObject,
  algorithms: readonly string[],
  options: JsonWebTokenOptions,
): JwtPayload {
  const { issuer, audience } = options;
  const rules = { issuer, audience, clockTolerance: CLOCK_TOLERANCE_SECONDS };
  let payload: JwtPayload | string;
  try {
    payload =
      key.asymmetricKeyType === 'ed25519'
        ? verifyEd25519(token, key, rules)
        : jwt.verify(token, key, { ...rules, algorithms: algorithms as Algorithm[] });
  } catch (error) {
    throw new TokenRefused(error instanceof jwt.TokenExpiredError ? 'expired' : 'invalid', error);
  }
  // jsonwebtoken takes a token without an expiry for one that never expires.
  if (typeof payload === 'string' || typeof payload.exp !== 'number') {
    throw new TokenRefused('invalid');
  }
  return payload;
}

function rolesOf(payload: JwtPayload, claim: string): Caller['roles'] {
  const value: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  const words: unknown[] = typeof value === 'string' ? value.split(' ') : [];
  return new Set((Array.isArray(value) ? (value as unknown[]) : words).filter(isRole));
}
