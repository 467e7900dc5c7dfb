import { createPrivateKey, type KeyObject } from 'node:crypto';
import jwt, { type Algorithm } from 'jsonwebtoken';
import { v4 } from 'uuid';
import { ConfigError } from '../errors.ts';

export interface AssertionOptions {
  readonly clientId: string;
  /** PEM, EC (P-256, P-384, P-521) or RSA (2048 bits or more). */
  readonly privateKey: string;
  readonly subject: string;
  /** The token URL. */
  readonly audience: string;
}

/** Genesys accepts five minutes at most; less leaves room for a clock that is ahead. */
const LIFE_SECONDS = 240;

const ALGORITHM_OF_CURVE: ReadonlyMap<string, Algorithm> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);

/**
 * Signs JWT-bearer assertions (RFC 7523), a new one on each call.
 *
 * @throws ConfigError when the key cannot sign; no part of the key is in the message.
 */
export function createAssertionSigner(options: AssertionOptions): (nowMs: number) => string {
  const key = readKey(options.privateKey);
  const algorithm = algorithmOf(key);
  return (nowMs) => {
    const issuedAt = Math.floor(nowMs / 1000);
    const claims = {
      iss: options.clientId,
      sub: options.subject,
      aud: options.audience,
      iat: issuedAt,
      exp: issuedAt + LIFE_SECONDS,
      jti: v4(),
    };
    return jwt.sign(claims, key, { algorithm });
  };
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new ConfigError(['OAUTH_PRIVATE_KEY: found no PEM private key; allowed: EC or RSA']);
  }
}

function algorithmOf(key: KeyObject): Algorithm {
  const details = key.asymmetricKeyDetails ?? {};
  const bits = details.modulusLength ?? 0;
  const algorithm =
    key.asymmetricKeyType === 'rsa' && bits >= 2048
      ? 'RS256'
      : ALGORITHM_OF_CURVE.get(details.namedCurve ?? '');
  if (algorithm !== undefined) return algorithm;
  const found =
    key.asymmetricKeyType === 'rsa'
      ? `an RSA key of ${bits} bits`
      : `a key of type ${key.asymmetricKeyType ?? 'unknown'} ${details.namedCurve ?? ''}`.trim();
  throw new ConfigError([
    `OAUTH_PRIVATE_KEY: found ${found}; allowed: EC on P-256, P-384 or P-521, or RSA of 2048 bits or more`,
  ]);
}
