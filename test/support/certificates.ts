// X.509 certificates made on the spot: an authority of one's own, and servers that it vouches for.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** Key and certificate, PEM, of a server with these names (and 127.0.0.1). */
  issue(...names: readonly string[]): { readonly key: string; readonly cert: string };
}

const DAY_MS = 86_400_000;

export function createAuthority(commonName = 'Authority of this test'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const facts = { issuer: commonName, signer: own.privateKey };
  const isAuthority = der(
    0x30,
    oid('551d13'),
    der(0x01, Buffer.from([255])),
    octets(der(0x30, der(0x01, Buffer.from([255])))),
  );
  return {
    certificate: certificate({
      ...facts,
      subject: commonName,
      key: own.publicKey,
      extension: isAuthority,
    }),
    issue(...names) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const alternatives = [
        ...names.map((name) => der(0x82, Buffer.from(name))),
        der(0x87, Buffer.from([127, 0, 0, 1])),
      ];
      const extension = der(0x30, oid('551d11'), octets(der(0x30, ...alternatives)));
      return {
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        cert: certificate({ ...facts, subject: names[0] ?? 'server', key: publicKey, extension }),
      };
    },
  };
}

function certificate(facts: {
  readonly issuer: string;
  readonly signer: KeyObject;
  readonly subject: string;
  readonly key: KeyObject;
  readonly extension: Buffer;
}): string {
  const ecdsaWithSha256 = der(0x30, oid('2a8648ce3d040302'));
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(facts.issuer),
    der(0x30, time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    nameOf(facts.subject),
    facts.key.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, facts.extension)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, facts.signer)]);
  const base64 = der(0x30, body, ecdsaWithSha256, der(0x03, signature)).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  const attribute = der(0x30, oid('550403'), der(0x0c, Buffer.from(commonName)));
  return der(0x30, der(0x31, attribute));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x17, Buffer.from(digits.slice(2)));
}

const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const octets = (content: Buffer) => der(0x04, content);

/** Tag, length and value, as DER writes them. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}
