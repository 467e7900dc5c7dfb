import { createPrivateKey, type KeyObject } from 'node:crypto';
import jwt, { type Algorithm } from 'jsonwebtoken';
import { v4 } from 'uuid';
import { ConfigError } from '../../errors.ts';

export interface AssertionOptions {
  readonly clientId: string;
  /** PEM, EC on P-256 (ES256) or RSA of 2048 bits or more (RS256). */
  readonly privateKey: string;
  readonly subject: string;
  /** The token URL. */
  readonly audience: string;
}

/** Genesys accepts five minutes at most; less leaves room for a clock that is ahead. */
const LIFE_SECONDS = 240;

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
  if (key.asymmetricKeyType === 'rsa' && bits >= 2048) return 'RS256';
  if (details.namedCurve === 'prime256v1') return 'ES256';
  const found =
    key.asymmetricKeyType === 'rsa'
      ? `an RSA key of ${bits} bits`
      : `a key of type ${key.asymmetricKeyType ?? 'unknown'} ${details.namedCurve ?? ''}`.trim();
  throw new ConfigError([
    `OAUTH_PRIVATE_KEY: found ${found}; allowed: EC on P-256, or RSA of 2048 bits or more`,
  ]);
}
