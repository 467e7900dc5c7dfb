import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A PEM key as it is, with `\n` written out, in base64, or in a file. */
export function readKey(value: string, isPrivate: boolean): string {
  let pem = value.replaceAll('\\n', '\n');
  if (!pem.includes('-----BEGIN')) {
    const decoded = Buffer.from(value, 'base64').toString('utf8');
    if (decoded.includes('-----BEGIN')) {
      pem = decoded;
    } else {
      try {
        pem = readFileSync(value, 'utf8');
      } catch {
        // The value itself may be a mangled key: not even a part of it is shown.
        throw new Error('found neither a PEM text, nor base64 of one, nor a readable file');
      }
    }
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
