import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto';

interface Digest {
  update(data: string | Uint8Array): unknown;
  digest(): Uint8Array;
}

/**
 * A class of SHA-256, or HMAC-SHA-256 with a secret, for the SDK's option `sha256`. The SDK's own
 * one hands Node the signing key as bytes at every request, which costs four times the HMAC itself.
 */
export function createSha256() {
  /** Signing keys, of which the SDK keeps each for a day, in the form that is cheap to use. */
  const keys = new WeakMap<ArrayBufferView, KeyObject>();

  function keyOf(secret: ArrayBufferView): KeyObject {
    const known = keys.get(secret);
    if (known !== undefined) return known;
    const key = createSecretKey(secret as NodeJS.ArrayBufferView);
    keys.set(secret, key);
    return key;
  }

  return class Sha256 {
    readonly #begin: () => Digest;
    #digest: Digest;

    constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
      const key = ArrayBuffer.isView(secret) ? keyOf(secret) : secret;
      this.#begin = () =>
        key === undefined
          ? createHash('sha256')
          : createHmac('sha256', key instanceof ArrayBuffer ? Buffer.from(key) : key);
      this.#digest = this.#begin();
    }

    update(data: string | Uint8Array): void {
      this.#digest.update(data);
    }

    digest(): Promise<Uint8Array> {
      return Promise.resolve(this.#digest.digest());
    }

    reset(): void {
      this.#digest = this.#begin();
    }
  };
}
