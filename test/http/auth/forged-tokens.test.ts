import {
  constants,
  createHmac,
  sign as cryptoSign,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createJsonWebTokens,
  type JsonWebTokenOptions,
  type JsonWebTokens,
} from '../../../src/http/auth/json-web-tokens.ts';

/** The issuer's own keys, and those of somebody who would like to be taken for it. */
const issuers = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  weak: generateKeyPairSync('rsa', { modulusLength: 1024 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ed: generateKeyPairSync('ed25519'),
};
const stranger = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ed: generateKeyPairSync('ed25519'),
};
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const SECRET = 'a shared secret of more than 32 bytes';
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;
type Asymmetric = (typeof ALGORITHMS)[number];

const nowSeconds = Math.floor(Date.now() / 1000);
const CLAIMS = {
  iss: 'https://issuer.test',
  aud: 'interaction-bridge',
  sub: 'crm',
  roles: ['map'],
  iat: nowSeconds,
  exp: nowSeconds + 3600,
};
const encode = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

function rawSignature(input: string, alg: string, key: KeyObject): string {
  const data = Buffer.from(input);
  if (alg === 'EdDSA') return cryptoSign(null, data, key).toString('base64url');
  const options = {
    key,
    dsaEncoding: 'ieee-p1363' as const,
    ...(alg === 'PS256' && {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    }),
  };
  return cryptoSign('sha256', data, options).toString('base64url');
}

/** Signed by hand, so that nothing keeps it from being wrong. A text is taken as JSON already. */
function signed(header: object, claims: unknown, key: KeyObject, as?: string): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const alg = as ?? String((header as { alg?: unknown }).alg);
  return `${input}.${rawSignature(input, alg, key)}`;
}

function hmac(header: object, secret: string | Buffer): string {
  const input = `${encode(header)}.${encode(CLAIMS)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const pairFor = (keys: typeof stranger, alg: Asymmetric) =>
  alg === 'ES256' ? keys.ec : alg === 'EdDSA' ? keys.ed : keys.rsa;

const base = { issuer: CLAIMS.iss, audience: CLAIMS.aud, rolesClaim: 'roles' } as const;
const jwkOf = (key: KeyObject, more: object) => ({ ...key.export({ format: 'jwk' }), ...more });
const keySetDocument = {
  keys: [
    jwkOf(issuers.rsa.publicKey, { kid: 'rsa' }),
    jwkOf(issuers.ec.publicKey, { kid: 'ec' }),
    jwkOf(issuers.ed.publicKey, { kid: 'ed' }),
    jwkOf(issuers.weak.publicKey, { kid: 'weak' }),
    jwkOf(issuers.rsa.publicKey, { kid: 'encrypts', key_ops: ['encrypt', 'wrapKey'] }),
    jwkOf(issuers.rsa.publicKey, { kid: 'signs only', key_ops: ['sign'] }),
    jwkOf(issuers.rsa.publicKey, { kid: 'operations of no list', key_ops: 'verify' }),
    jwkOf(issuers.rsa.publicKey, { kid: 'enc', use: 'enc' }),
    jwkOf(issuers.rsa.publicKey, { kid: 'use of no text', use: ['sig'] }),
    jwkOf(issuers.rsa.publicKey, { kid: 'oaep', alg: 'RSA-OAEP' }),
    jwkOf(issuers.rsa.privateKey, { kid: 'private' }),
    { kty: 'oct', kid: 'oct', k: Buffer.from(SECRET).toString('base64url') },
  ],
};
const kidFor = (alg: Asymmetric) => (alg === 'ES256' ? 'ec' : alg === 'EdDSA' ? 'ed' : 'rsa');

let verifiers: Record<'rsa' | 'ec' | 'ed' | 'secret' | 'keySet', JsonWebTokens>;
let closeIssuer: () => void;

beforeAll(async () => {
  const server = createServer((_request, response) => response.end(JSON.stringify(keySetDocument)));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closeIssuer = () => {
    server.close();
    server.closeAllConnections();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const make = (algorithms: readonly string[], key: JsonWebTokenOptions['key']) =>
    createJsonWebTokens({ ...base, algorithms, key });
  verifiers = {
    rsa: make(ALGORITHMS, { publicKey: pem(issuers.rsa.publicKey) }),
    ec: make(ALGORITHMS, { publicKey: pem(issuers.ec.publicKey) }),
    ed: make(ALGORITHMS, { publicKey: pem(issuers.ed.publicKey) }),
    secret: make(['HS256'], { secret: SECRET }),
    keySet: make(ALGORITHMS, { keySet: { url } }),
  };
});
afterAll(async () => {
  await Promise.all(Object.values(verifiers).map((tokens) => tokens.stop()));
  closeIssuer();
});

test.each(ALGORITHMS)('an honest token of %s gets in, by key and by key set', async (alg) => {
  const token = signed({ alg, kid: kidFor(alg) }, CLAIMS, pairFor(issuers, alg).privateKey);
  for (const tokens of [verifiers[kidFor(alg)], verifiers.keySet]) {
    expect(await tokens.verify(token)).toEqual({ name: 'crm', roles: new Set(['map']) });
  }
});

interface Forgery {
  readonly name: string;
  readonly token: () => string;
  readonly against?: readonly (keyof typeof verifiers)[];
}

const EVERYBODY = ['rsa', 'ec', 'ed', 'secret', 'keySet'] as const;
/** JSON texts that no claim of a time may be. */
const NO_DATES = ['1e999', '-1e999', 'null', 'true', '"9999999999"', '[9999999999]', '{}', '""'];

const unsigned: Forgery[] = [
  'none',
  'None',
  'NONE',
  'nOnE',
  '',
  ' ',
  'HS256',
  'RS256',
  'EdDSA',
].map((alg) => ({
  name: `alg ${JSON.stringify(alg)} without signature`,
  token: () => `${encode({ alg, kid: 'rsa' })}.${encode(CLAIMS)}.`,
}));
const noAlgorithm: Forgery[] = [null, 7, true, ['RS256'], { name: 'RS256' }, undefined].map(
  (alg) => ({
    name: `alg ${JSON.stringify(alg)}`,
    token: () => signed({ alg, kid: 'rsa' }, CLAIMS, issuers.rsa.privateKey, 'RS256'),
  }),
);
const unlisted: Forgery[] = ['rs256', 'RS1', 'RS384', 'RS256 ', 'ES256K', 'Ed25519', 'dir'].map(
  (alg) => ({
    name: `alg ${JSON.stringify(alg)}, signed as RS256`,
    token: () => signed({ alg, kid: 'rsa' }, CLAIMS, issuers.rsa.privateKey, 'RS256'),
  }),
);
const confused: Forgery[] = (['rsa', 'ec', 'ed'] as const).flatMap((kid) => {
  const key = issuers[kid].publicKey;
  const der = key.export({ type: 'spki', format: 'der' });
  return [
    { name: 'the PEM', secret: pem(key) },
    { name: 'the PEM without its last line break', secret: pem(key).trim() },
    { name: 'the DER', secret: der },
    { name: 'the JWK', secret: JSON.stringify(key.export({ format: 'jwk' })) },
  ].map(({ name, secret }) => ({
    name: `an HMAC with ${name} of the ${kid} key`,
    token: () => hmac({ alg: 'HS256', kid }, secret),
  }));
});
const guessed: Forgery[] = ['', '\0', 'secret', 'oct', 'a shared secret'].map((secret) => ({
  name: `an HMAC with ${JSON.stringify(secret)}`,
  token: () => hmac({ alg: 'HS256', kid: 'oct' }, secret),
}));
const ofStrangers: Forgery[] = ALGORITHMS.flatMap((alg) => {
  const { privateKey, publicKey } = pairFor(stranger, alg);
  const jwk = publicKey.export({ format: 'jwk' });
  return [
    { name: 'plainly', more: { kid: kidFor(alg) } },
    { name: 'bringing its key along', more: { jwk } },
    { name: 'pointing at a key set', more: { jku: 'http://127.0.0.1:1/keys', kid: 'mine' } },
    { name: 'pointing at a certificate', more: { x5u: 'http://127.0.0.1:1/c', x5c: ['AAAA'] } },
    { name: 'with a path as key id', more: { kid: '../../../dev/null' } },
    { name: 'with __proto__ as key id', more: { kid: '__proto__' } },
  ].map(({ name, more }) => ({
    name: `${alg} by a stranger, ${name}`,
    token: () => signed({ alg, ...more }, CLAIMS, privateKey),
  }));
});
const crossed: Forgery[] = ALGORITHMS.flatMap((alg) =>
  ALGORITHMS.filter((as) => as !== alg && kidFor(as) !== kidFor(alg)).map((as) => ({
    name: `the issuer's ${as} under the name ${alg}`,
    token: () => signed({ alg, kid: kidFor(as) }, CLAIMS, pairFor(issuers, as).privateKey, as),
  })),
);
const wrongKeys: Forgery[] = keySetDocument.keys.slice(3).map(({ kid }) => ({
  name: `by the key "${String(kid)}" of the set`,
  against: ['keySet'],
  token: () => {
    const { privateKey } = kid === 'weak' ? issuers.weak : issuers.rsa;
    return kid === 'oct'
      ? hmac({ alg: 'HS256', kid }, SECRET)
      : signed({ alg: 'RS256', kid }, CLAIMS, privateKey);
  },
}));

function withClaims(json: string): () => string {
  return () => signed({ alg: 'RS256', kid: 'rsa' }, json, issuers.rsa.privateKey);
}
const { exp: _exp, ...endless } = CLAIMS;
const jsonWith = (claim: string, value: string) =>
  JSON.stringify({ ...CLAIMS, [claim]: '@' }).replace('"@"', value);
const badClaims: Forgery[] = [
  ...['exp', 'nbf', 'iat'].flatMap((claim) =>
    NO_DATES.map((value) => ({
      name: `${claim} ${value}`,
      token: withClaims(jsonWith(claim, value)),
    })),
  ),
  { name: 'no exp', token: withClaims(JSON.stringify(endless)) },
  ...[0, -1, nowSeconds - 40].map((exp) => ({
    name: `exp ${exp}`,
    token: withClaims(jsonWith('exp', String(exp))),
  })),
  ...['iat', 'nbf'].flatMap((claim) =>
    [60, 86_400, 1e12].map((ahead) => ({
      name: `${claim} ${ahead} s ahead`,
      token: withClaims(jsonWith(claim, String(nowSeconds + ahead))),
    })),
  ),
  ...['null', '7', '""', '[]', '[null]', '{"0":"interaction-bridge"}', '"Interaction-Bridge"'].map(
    (value) => ({ name: `aud ${value}`, token: withClaims(jsonWith('aud', value)) }),
  ),
  ...[
    'null',
    '""',
    '["https://issuer.test"]',
    '"https://issuer.test/"',
    '"HTTPS://issuer.test"',
  ].map((value) => ({ name: `iss ${value}`, token: withClaims(jsonWith('iss', value)) })),
  ...['null', '[]', '"text"', '7', '{', '', JSON.stringify([CLAIMS])].map((json) => ({
    name: `the claims ${json.slice(0, 10)}`,
    token: withClaims(json),
  })),
];

const forgeries = [
  unsigned,
  noAlgorithm,
  unlisted,
  confused,
  guessed,
  ofStrangers,
  crossed,
  wrongKeys,
  badClaims,
].flat();

describe('a forged token', () => {
  test.each(forgeries)('$name does not get in', async ({ token, against }) => {
    for (const name of against ?? EVERYBODY) {
      await expect(verifiers[name].verify(token()), name).rejects.toMatchObject({
        name: 'TokenRefused',
      });
    }
  });
});

describe('a changed token', () => {
  const honest = ALGORITHMS.map((alg) => ({
    alg,
    token: signed({ alg, kid: kidFor(alg) }, CLAIMS, pairFor(issuers, alg).privateKey),
  }));

  test('does not get in, whichever of its characters is another', async () => {
    const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ';
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...honest),
        fc.nat(),
        fc.constantFrom(...Array.from(characters)),
        async ({ alg, token }, position, character) => {
          const at = position % token.length;
          const changed = token.slice(0, at) + character + token.slice(at + 1);
          // The last character of a part has bits that stand for nothing.
          fc.pre(decoded(changed) !== decoded(token));
          for (const tokens of [verifiers[kidFor(alg)], verifiers.keySet]) {
            await expect(tokens.verify(changed)).rejects.toMatchObject({ name: 'TokenRefused' });
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('does not get in with any other header or claims under the old signature', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...honest),
        fc.dictionary(fc.constantFrom('alg', 'kid', 'crit', 'b64', 'typ', 'jwk'), fc.jsonValue()),
        fc.dictionary(fc.constantFrom(...Object.keys(CLAIMS), 'nbf'), fc.jsonValue()),
        async ({ alg, token }, header, claims) => {
          const [, , signature] = token.split('.');
          const changed = [
            encode({ alg, kid: kidFor(alg), ...header }),
            encode({ ...CLAIMS, ...claims, sub: 'somebody else' }),
            signature,
          ].join('.');
          for (const tokens of [verifiers[kidFor(alg)], verifiers.keySet]) {
            await expect(tokens.verify(changed)).rejects.toMatchObject({ name: 'TokenRefused' });
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is refused whatever it is, never a fault of ours', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 200 }),
          fc
            .array(fc.base64String({ maxLength: 60 }), { maxLength: 5 })
            .map((parts) => parts.join('.')),
          fc
            .tuple(fc.json(), fc.json())
            .map(([header, claims]) => `${encode(header)}.${encode(claims)}.AAAA`),
        ),
        async (token) => {
          for (const tokens of Object.values(verifiers)) {
            await expect(tokens.verify(token)).rejects.toMatchObject({ name: 'TokenRefused' });
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** The parts as bytes, which is what a signature is over, or the text where it is none. */
function decoded(token: string): string {
  const parts = token.split('.');
  return parts
    .map((part, index) =>
      // Header and claims are signed as text.
      index === 2 && /^[\w-]*$/.test(part) ? Buffer.from(part, 'base64url').toString('hex') : part,
    )
    .join('.');
}

test.each([512, 1024, 2047])('an RSA key of %d bits is refused at start', (modulusLength) => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength });
  expect(() =>
    createJsonWebTokens({ ...base, algorithms: ['RS256'], key: { publicKey: pem(publicKey) } }),
  ).toThrow(`JWT_PUBLIC_KEY: the RSA key has ${modulusLength} bits; allowed: at least 2048`);
});

test('an EC key is refused at start when its curve is not that of the algorithm', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  expect(() =>
    createJsonWebTokens({ ...base, algorithms: ['ES256'], key: { publicKey: pem(publicKey) } }),
  ).toThrow('JWT_ALGORITHMS: found ES256 with a key of type ec; allowed with it: ES384');
});
