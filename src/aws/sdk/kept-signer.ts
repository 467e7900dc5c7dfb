import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import type { AwsCredentialIdentity, HttpRequest, RequestSigner } from '@smithy/types';

export interface KeptSignerOptions {
  readonly credentials: () => Promise<AwsCredentialIdentity>;
  readonly region: string;
  /** The service's name in signatures, for example `events`. */
  readonly service: string;
}

interface KeptKey {
  readonly of: AwsCredentialIdentity;
  readonly day: string;
  readonly key: KeyObject;
}

/**
 * Signs as AWS' Signature Version 4 says, byte for byte like `@smithy/signature-v4` (a test holds
 * that), for requests whose body is text, without a query. The key of a day is
 * kept; that library derives what finds its key anew for each request, which takes six times the
 * rest.
 */
export function createKeptSigner(options: KeptSignerOptions): RequestSigner {
  const { credentials, region, service } = options;
  let kept: KeptKey | undefined;

  function keyFor(identity: AwsCredentialIdentity, day: string): KeyObject {
    if (kept?.of.secretAccessKey !== identity.secretAccessKey || kept.day !== day) {
      const steps = [day, region, service, 'aws4_request'];
      const key = steps.reduce<string | Buffer>(
        (secret, step) => createHmac('sha256', secret).update(step).digest(),
        `AWS4${identity.secretAccessKey}`,
      );
      kept = { of: identity, day, key: createSecretKey(key as Buffer) };
    }
    return kept.key;
  }

  return {
    async sign(request: HttpRequest, { signingDate = new Date() } = {}) {
      const identity = await credentials();
      const time = new Date(signingDate).toISOString().replaceAll(/[-:]|\.\d+/g, '');
      const day = time.slice(0, 8);
      const headers: Record<string, string> = { ...request.headers, 'x-amz-date': time };
      const digest = hash('sha256', request.body as string);
      headers['x-amz-content-sha256'] = digest;
      if (identity.sessionToken) headers['x-amz-security-token'] = identity.sessionToken;
      const names = Object.keys(headers).filter(isSigned).sort();
      const canonical = names.map((name) => `${name}:${headers[name]?.trim()}\n`).join('');
      const signed = names.join(';');
      const asked = `${request.method}\n${escapedPath(request.path)}\n\n${canonical}\n${signed}\n${digest}`;
      const scope = `${day}/${region}/${service}/aws4_request`;
      const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hash('sha256', asked)}`;
      const signature = createHmac('sha256', keyFor(identity, day)).update(text).digest('hex');
      headers['authorization'] =
        `AWS4-HMAC-SHA256 Credential=${identity.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
      return { ...request, headers };
    },
  };
}

/** The SDK leaves it out, because proxies change it. */
function isSigned(name: string): boolean {
  return name !== 'user-agent';
}

/** Once more, as AWS wants it of every service but S3. */
function escapedPath(path: string): string {
  return encodeURIComponent(path)
    .replaceAll('%2F', '/')
    .replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
