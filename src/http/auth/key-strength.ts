import type { KeyObject } from 'node:crypto';

const MIN_RSA_BITS = 2048;
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;
const BY_CURVE: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
};

/** What a public key can verify: the key decides, never what a token says of itself. */
export function algorithmsOfKey(key: KeyObject): readonly string[] {
  if (key.asymmetricKeyType === 'rsa') return RSA;
  if (key.asymmetricKeyType === 'ed25519') return ['EdDSA'];
  return BY_CURVE[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? [];
}

/** Why nobody should trust what this key signs, or undefined. */
export function keyWeakness(key: KeyObject): string | undefined {
  if (key.asymmetricKeyType !== 'rsa') return undefined;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return bits < MIN_RSA_BITS
    ? `the RSA key has ${bits} bits; allowed: at least ${MIN_RSA_BITS}`
    : undefined;
}
