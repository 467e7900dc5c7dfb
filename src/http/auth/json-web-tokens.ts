import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { type CompactJWSHeaderParameters, errors, type JWTPayload, jwtVerify } from 'jose';
import { cutText } from '../../lib/cut-text.ts';
import type { Caller } from '../exchange.ts';
import { isRole } from '../route.ts';
import { createKeySet, type KeySetOptions, KeysUnavailable } from './key-set.ts';
import { algorithmsOfKey, keyWeakness } from './key-strength.ts';

export interface JsonWebTokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** One family only: RS, PS, ES and EdDSA (with Ed25519), or HS. */
  readonly algorithms: readonly string[];
  /** Where the key comes from. A shared secret has at least 32 bytes, an RSA key 2048 bits. */
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

  /** The cause says more, for the log; it repeats nothing of the token. */
  constructor(refusal: TokenRefusal, cause: unknown) {
    super(`The token was refused: ${refusal}`, { cause });
    this.refusal = refusal;
  }
}

export interface JsonWebTokens {
  /** @throws TokenRefused, or KeysUnavailable when the issuer's keys cannot be had. */
  verify(token: string): Promise<Caller>;
  stop(): Promise<void>;
}

const MAX_TOKEN_LENGTH = 8192;
/** Clocks may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 30;
const MIN_SECRET_BYTES = 32;
const SYMMETRIC = /^HS(?:256|384|512)$/;
const ASYMMETRIC = /^(?:(?:RS|PS|ES)(?:256|384|512)|EdDSA)$/;

/** @throws Error when key and algorithms do not belong together, or the key is weak. */
export function createJsonWebTokens(options: JsonWebTokenOptions): JsonWebTokens {
  const { issuer, audience, rolesClaim, key } = options;
  // A list of one family and a key object of that family: a public key can never be a secret.
  const family = 'secret' in key ? SYMMETRIC : ASYMMETRIC;
  if (options.algorithms.length === 0 || !options.algorithms.every((name) => family.test(name))) {
    throw new Error(
      'JWT_ALGORITHMS: HS algorithms go with JWT_SECRET, RS, PS, ES and EdDSA with a public key',
    );
  }
  const keySet = 'keySet' in key ? createKeySet(key.keySet) : undefined;
  const fixedKey = 'keySet' in key ? undefined : readKey(key, options.algorithms);
  const rules = {
    issuer,
    audience,
    algorithms: [...options.algorithms],
    requiredClaims: ['exp'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };

  /** Only asked for a header whose algorithm is listed. */
  async function keyFor(header: CompactJWSHeaderParameters) {
    // RFC 7515 §4.1.11: what is critical and not understood makes the token invalid.
    if (Object.hasOwn(header, 'crit')) throw new TokenRefused('invalid', 'critical parameters');
    const keyId: unknown = header.kid;
    if (keyId !== undefined && typeof keyId !== 'string') {
      throw new TokenRefused('malformed', 'the key id is no text');
    }
    if (fixedKey !== undefined) return fixedKey;
    const found = await keySet?.find(header);
    if (found === undefined || found === 'unknown') {
      throw new TokenRefused('unknown_key', 'no key of the key set has this id');
    }
    if (found === 'unfit') throw new TokenRefused('invalid', 'the key is not for this algorithm');
    return found;
  }

  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_LENGTH) {
        throw new TokenRefused('too_long', `more than ${MAX_TOKEN_LENGTH} characters`);
      }
      const payload = await jwtVerify(token, keyFor, rules).then(
        (result) => result.payload,
        (error: unknown) => {
          throw refusalOf(error);
        },
      );
      checkDates(payload);
      return {
        name: typeof payload.sub === 'string' ? cutText(payload.sub, 200) : 'unknown',
        roles: rolesOf(payload, rolesClaim),
      };
    },
    stop: async () => keySet?.stop(),
  };
}

function readKey(
  key: { publicKey: string } | { secret: string },
  algorithms: readonly string[],
): KeyObject {
  if ('secret' in key) {
    const secret = Buffer.from(key.secret, 'utf8');
    if (secret.length < MIN_SECRET_BYTES) {
      throw new Error(`JWT_SECRET: has less than ${MIN_SECRET_BYTES} bytes`);
    }
    return createSecretKey(secret);
  }
  const publicKey = createPublicKey(key.publicKey);
  const weakness = keyWeakness(publicKey);
  if (weakness !== undefined) throw new Error(`JWT_PUBLIC_KEY: ${weakness}`);
  const fitting = algorithmsOfKey(publicKey);
  if (!algorithms.some((name) => fitting.includes(name))) {
    const found = `${algorithms.join(', ')} with a key of type ${publicKey.asymmetricKeyType}`;
    throw new Error(
      `JWT_ALGORITHMS: found ${found}; allowed with it: ${fitting.join(', ') || 'none'}`,
    );
  }
  return publicKey;
}

function refusalOf(error: unknown): Error {
  if (error instanceof TokenRefused || error instanceof KeysUnavailable) return error;
  if (error instanceof errors.JWTExpired) return new TokenRefused('expired', error);
  // Before the key is asked for: three parts, a header that is a JSON object, base64url.
  if (error instanceof errors.JWSInvalid) return new TokenRefused('malformed', error);
  return new TokenRefused('invalid', error);
}

/** What the library leaves open: 1e999 is a number, and a token may say it was made tomorrow. */
function checkDates(payload: JWTPayload): void {
  for (const claim of ['exp', 'nbf', 'iat'] as const) {
    const seconds = payload[claim];
    if (seconds !== undefined && !Number.isFinite(seconds)) {
      throw new TokenRefused('invalid', `"${claim}" is not a finite number`);
    }
  }
  if ((payload.iat ?? 0) > Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS) {
    throw new TokenRefused('invalid', '"iat" lies ahead');
  }
}

function rolesOf(payload: JWTPayload, claim: string): Caller['roles'] {
  const value: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  const words: unknown[] = typeof value === 'string' ? value.split(' ') : [];
  return new Set((Array.isArray(value) ? (value as unknown[]) : words).filter(isRole));
}
