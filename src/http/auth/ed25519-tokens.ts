import { type KeyObject, verify } from 'node:crypto';
import jwt, { type JwtPayload } from 'jsonwebtoken';

export interface ClaimRules {
  readonly issuer: string;
  readonly audience: string;
  /** In seconds. */
  readonly clockTolerance: number;
}

/** Three parts in base64url without padding; 86 characters are the 64 bytes of a signature. */
const TOKEN = /^(?<input>(?<header>[\w-]+)\.(?<payload>[\w-]+))\.(?<signature>[\w-]{86})$/;

/**
 * Checks a token that an Ed25519 key signs (RFC 8037), which jsonwebtoken cannot, and its claims
 * by the rules of `jwt.verify`.
 *
 * @throws jwt.JsonWebTokenError, as `jwt.verify` does
 */
export function verifyEd25519(token: string, key: KeyObject, rules: ClaimRules): JwtPayload {
  const parts = TOKEN.exec(token)?.groups;
  if (parts === undefined) throw new jwt.JsonWebTokenError('jwt malformed');
  const { input = '', header = '', payload = '', signature = '' } = parts;
  const { alg } = parsePart(header);
  // Whoever calls with another kind of key would check another algorithm.
  if (alg !== 'EdDSA' || key.asymmetricKeyType !== 'ed25519' || key.type !== 'public') {
    throw new jwt.JsonWebTokenError('invalid algorithm');
  }
  if (!verify(null, Buffer.from(input), key, Buffer.from(signature, 'base64url'))) {
    throw new jwt.JsonWebTokenError('invalid signature');
  }
  const claims = parsePart(payload);
  checkClaims(claims, rules, Date.now() / 1000);
  return claims;
}

function checkClaims(claims: JwtPayload, rules: ClaimRules, nowSeconds: number): void {
  const { nbf, exp, aud, iss }: Readonly<Record<string, unknown>> = claims;
  if (nbf !== undefined && typeof nbf !== 'number') {
    throw new jwt.JsonWebTokenError('invalid nbf value');
  }
  if (nbf !== undefined && nbf > nowSeconds + rules.clockTolerance) {
    throw new jwt.NotBeforeError('jwt not active', new Date(nbf * 1000));
  }
  if (exp !== undefined && typeof exp !== 'number') {
    throw new jwt.JsonWebTokenError('invalid exp value');
  }
  if (exp !== undefined && nowSeconds >= exp + rules.clockTolerance) {
    throw new jwt.TokenExpiredError('jwt expired', new Date(exp * 1000));
  }
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(rules.audience)) throw new jwt.JsonWebTokenError('jwt audience invalid');
  if (iss !== rules.issuer) throw new jwt.JsonWebTokenError('jwt issuer invalid');
}

function parsePart(part: string): Record<string, unknown> {
  const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new jwt.JsonWebTokenError('invalid token');
  }
  return { ...value };
}
