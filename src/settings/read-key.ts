import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * A PEM key as it is, with `\\n` or `\\r\\n` written out, in quotes, in base64, or in a file.
 *
 * @throws Error that says what was found; no part of the key is in it.
 */
export function readKey(value: string, isPrivate: boolean): string {
  let pem = plain(value);
  if (!pem.includes('-----BEGIN')) {
    const decoded = plain(Buffer.from(pem, 'base64').toString('utf8'));
    if (decoded.includes('-----BEGIN')) {
      pem = decoded;
    } else {
      try {
        pem = plain(readFileSync(pem, 'utf8'));
      } catch {
        // The value itself may be a mangled key: not even a part of it is shown.
        throw new Error('found neither a PEM text, nor base64 of one, nor a readable file');
      }
    }
  }
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4,ENCRYPTED/m.test(pem)) {
    throw new Error(
      isPrivate
        ? 'found a private key that is encrypted: decrypt it first, e.g. openssl pkey -in encrypted.pem -out key.pem'
        : 'found a private key that is encrypted, and a public key is needed',
    );
  }
  try {
    const key = isPrivate ? createPrivateKey(pem) : createPublicKey(pem);
    const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
    if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) return pem;
    if (key.asymmetricKeyType === 'ec' && (!isPrivate || namedCurve === 'prime256v1')) return pem;
    if (key.asymmetricKeyType === 'ed25519' && !isPrivate) return pem;
  } catch {
    throw new Error(`found a PEM text that is no ${isPrivate ? 'private' : 'public'} key`);
  }
  throw new Error(
    isPrivate
      ? 'found a key that is neither EC on the curve P-256 (ES256) nor RSA of at least 2048 bits'
      : 'found a key that is neither EC, nor Ed25519, nor RSA of at least 2048 bits',
  );
}

/** Quotes stay where no shell takes them away, line ends are written out by JSON and .env files. */
function plain(text: string): string {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  const unquoted = /^(["'])([^]*)\1$/.exec(trimmed)?.[2] ?? trimmed;
  return unquoted
    .replaceAll(/\\r\\n|\\n|\\r/g, '\n')
    .replace(/^\uFEFF/, '')
    .trim();
}
