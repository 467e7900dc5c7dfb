import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadOfflineSettings } from '../../src/cli/offline-settings.ts';
import { ConfigError } from '../../src/errors.ts';
import { attributeSettings } from '../../src/settings/attributes.ts';
import { awsSettings } from '../../src/settings/aws.ts';
import { callerSettings } from '../../src/settings/callers.ts';
import { eventSettings } from '../../src/settings/events.ts';
import { genesysSettings } from '../../src/settings/genesys.ts';
import { limitSettings } from '../../src/settings/limits.ts';
import {
  type Environment,
  hasGenesysCredentials,
  isProduction,
  loadConfig,
} from '../../src/settings/load-config.ts';
import { networkSettings } from '../../src/settings/network.ts';
import { platformSettings } from '../../src/settings/platform/settings.ts';
import { serviceSettings } from '../../src/settings/service.ts';
import { settings } from '../../src/settings/settings.ts';
import { awsConnections } from '../../src/wiring/aws.ts';
import { createAuthority } from '../support/certificates.ts';

const GROUPS = [
  serviceSettings,
  callerSettings,
  limitSettings,
  networkSettings,
  genesysSettings,
  platformSettings,
  attributeSettings,
  eventSettings,
  awsSettings,
];

const pem = { type: 'pkcs8', format: 'pem' } as const;
const publicPem = { type: 'spki', format: 'pem' } as const;
const ec = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: pem,
  publicKeyEncoding: publicPem,
});
const rsa = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: pem,
  publicKeyEncoding: publicPem,
});

const minimal: Environment = {
  GENESYS_CLIENT_ID: 'id',
  GENESYS_CLIENT_SECRET: 'a-client-secret',
  WORKER_ENABLED: 'false',
  AUTH_MODE: 'none',
};
const jwtBearer = { OAUTH_CLIENT_ID: 'id', OAUTH_SUBJECT: 'user@example.com' };

function problemsOf(environment: Environment): readonly string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('values', () => {
  test('have their types, and what is not set its default', () => {
    const config = loadConfig({ ...minimal, PORT: '8080', CLOUDWATCH_ENABLED: 'false' });
    expect(config.PORT).toBe(8080);
    expect(config.CLOUDWATCH_ENABLED).toBe(false);
    expect(config.AWS_REGION).toBe('us-east-1');
    expect(config.GENESYS_BASE_URL).toBe('https://api.mypurecloud.com');
    expect(config.EVENTBUS_NAME).toBe('default');
    expect(config.JOURNAL_PATH).toBe('data/journal.db');
    expect(config.DLQ_QUEUE_URL).toBeUndefined();
  });

  test('have a name of their own: no group hides a setting of another', () => {
    const names = GROUPS.flatMap((group) => Object.keys(group));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(Object.keys(settings));
  });

  test('every default is allowed by its own limits', () => {
    const all = Object.entries(settings).flatMap<[string, string]>(([name, setting]) =>
      'default' in setting ? [[name, String(setting.default)]] : [],
    );
    expect(problemsOf({ ...Object.fromEntries<string>(all), ...minimal })).toEqual([]);
  });

  test('that are empty or blank count as not set', () => {
    const config = loadConfig({ ...minimal, PORT: '', AWS_REGION: '  ', AWS_ENDPOINT_URL: '' });
    expect(config.PORT).toBe(3000);
    expect(config.AWS_REGION).toBe('us-east-1');
    expect(config.AWS_ENDPOINT_URL).toBeUndefined();
  });

  test('lose the blanks around them', () => {
    expect(loadConfig({ ...minimal, EVENTBUS_NAME: ' orders\t' }).EVENTBUS_NAME).toBe('orders');
  });

  test('cannot be changed', () => {
    const config = loadConfig(minimal);
    expect(Object.isFrozen(config)).toBe(true);
    expect(() => Object.assign(config, { PORT: 1 })).toThrow(TypeError);
  });

  test('of other names in the environment are left alone', () => {
    expect(loadConfig({ ...minimal, PATH: '/bin' })).not.toHaveProperty('PATH');
  });
});

describe('problems', () => {
  test('are told all at once, each with the name, what was found and what is allowed', () => {
    const problems = problemsOf({
      ...minimal,
      PORT: '70000',
      LOG_LEVEL: 'loud',
      GENESYS_BASE_URL: 'ftp://example.com',
      WORKER_ENABLED: 'perhaps',
      MAP_MIN_BATCH_SIZE: '600',
      AUTH_MODE: 'jwt',
    });
    expect(problems).toEqual([
      expect.stringMatching(/^PORT: found "70000"; allowed: a whole number from 0 to 65535/),
      expect.stringMatching(/^LOG_LEVEL: found "loud"; allowed: trace, debug, info/),
      expect.stringMatching(/^GENESYS_BASE_URL: found "ftp:.*allowed: an http:\/\/ or https:\/\//),
      expect.stringMatching(/^WORKER_ENABLED: found "perhaps"; allowed: true or false/),
      expect.stringMatching(/^JWT_ISSUER: not set; required by AUTH_MODE=jwt/),
      expect.stringMatching(/^JWT_AUDIENCE: not set/),
      expect.stringMatching(/^JWT_PUBLIC_KEY, JWT_SECRET, JWT_JWKS_URL: 0 of them are set/),
      expect.stringMatching(/^MAP_MIN_BATCH_SIZE: found 600; allowed: at most MAP_BATCH_SIZE/),
    ]);
  });

  test('of any text in any setting are a ConfigError that names the setting', () => {
    const names = fc.constantFrom(...Object.keys(settings));
    fc.assert(
      fc.property(names, fc.string({ unit: 'binary', minLength: 1 }), (name, value) => {
        const environment = { ...minimal, [name]: value };
        for (const problem of problemsOf(environment)) expect(problem).toMatch(/^[A-Z][A-Z_, ]+/);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ['1e99', 'PORT'],
    ['3.5', 'PORT'],
    ['0x10', 'PORT'],
    ['Infinity', 'PORT'],
    ['-1', 'PORT'],
    ['NaN', 'REPORT_CACHE_TTL_SECONDS'],
    ['1,5', 'REPORT_MAX_PAGES'],
  ])('%s is no whole number', (value, name) => {
    expect(problemsOf({ ...minimal, [name]: value })).toEqual([
      expect.stringContaining(`${name}: found "${value}"`),
    ]);
  });

  test('a secret is never a part of them', () => {
    const secret = 'top.secret/value';
    const secrets = Object.entries(settings).flatMap(([name, setting]) =>
      'secret' in setting ? [name] : [],
    );
    expect(secrets).toContain('API_KEYS');
    for (const name of [...secrets, 'JWT_PUBLIC_KEY']) {
      const problems = problemsOf({ ...minimal, AUTH_MODE: 'jwt', [name]: secret });
      expect(problems.length).toBeGreaterThan(0);
      expect(problems.join('\n')).not.toContain(secret);
    }
  });
});

describe('credentials', () => {
  test('one complete set is enough, both may be there, none is an error', () => {
    expect(problemsOf({ ...minimal, ...jwtBearer, OAUTH_PRIVATE_KEY: ec.privateKey })).toEqual([]);
    expect(problemsOf({ WORKER_ENABLED: 'false', AUTH_MODE: 'none' })).toEqual([
      expect.stringContaining('one complete set of Genesys credentials'),
    ]);
  });

  test('half a set names what is missing', () => {
    expect(
      problemsOf({ WORKER_ENABLED: 'false', AUTH_MODE: 'none', OAUTH_CLIENT_ID: 'id' }),
    ).toEqual([
      'OAUTH_PRIVATE_KEY: not set; required together with OAUTH_CLIENT_ID',
      'OAUTH_SUBJECT: not set; required together with OAUTH_CLIENT_ID',
    ]);
    expect(
      problemsOf({ WORKER_ENABLED: 'false', AUTH_MODE: 'none', GENESYS_CLIENT_ID: 'id' }),
    ).toEqual(['GENESYS_CLIENT_SECRET: not set; required together with GENESYS_CLIENT_ID']);
  });

  test('are seen also when only one of them is set', () => {
    expect(hasGenesysCredentials({ OAUTH_SUBJECT: 'x' })).toBe(true);
    expect(hasGenesysCredentials({ OAUTH_SUBJECT: ' ', PORT: '1' })).toBe(false);
  });
});

test('production is production with blanks around it too', () => {
  expect(isProduction({ NODE_ENV: ' production\t' })).toBe(true);
  expect(isProduction({ NODE_ENV: 'development' })).toBe(false);
  expect(isProduction({})).toBe(false);
  // The sandbox stands in for nothing there.
  expect(loadOfflineSettings({}).problems).toEqual([]);
  expect(loadOfflineSettings({ NODE_ENV: 'production ' }).problems.join()).toContain('AUTH_MODE');
});

describe('rules between settings', () => {
  const said = {
    GENESYS_BASE_URL: 'https://api.mypurecloud.de',
    AWS_REGION: 'eu-central-1',
    EVENTBUS_NAME: 'default',
  };

  test('in production which Genesys, which region and which bus must be said', () => {
    const production = {
      ...minimal,
      NODE_ENV: 'production',
      AUTH_MODE: 'none',
      WORKER_ENABLED: 'true',
      DLQ_QUEUE_URL: 'http://127.0.0.1/1/dead',
    };
    expect(problemsOf(production)).toEqual([
      expect.stringMatching(/^GENESYS_BASE_URL: not set; in production it must be said/),
      expect.stringMatching(/^EVENTBUS_NAME: not set; .* may be default/),
      expect.stringMatching(/^AWS_REGION: not set; in production/),
    ]);
    expect(problemsOf({ ...production, ...said })).toEqual([]);
    // Without the worker nothing of AWS is called, unless the schema lies there.
    const routes = { ...production, WORKER_ENABLED: 'false', GENESYS_BASE_URL: 'http://g' };
    expect(problemsOf(routes)).toEqual([]);
    const registry = { EVENT_SCHEMA_REGISTRY: 'r', EVENT_SCHEMA_NAME: 's' };
    expect(problemsOf({ ...routes, ...registry })).toEqual([expect.stringMatching(/^AWS_REGION/)]);
  });

  test.each([
    ['eu-west-1', 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead'],
    ['us-gov-west-1', 'https://sqs-fips.us-gov-west-1.amazonaws.com/1/dead'],
    ['cn-north-1', 'https://cn-north-1.queue.amazonaws.com.cn/1/dead'],
    ['eu-west-1', 'https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/dead'],
    ['us-east-1', 'https://queue.amazonaws.com/1/dead'],
    ['ap-south-2', 'https://sqs.internal.example.com/1/dead'],
  ])('a queue is called in its own region, and there by %s: %s', (region, queueUrl) => {
    const config = loadConfig({ ...minimal, DLQ_QUEUE_URL: queueUrl, AWS_REGION: 'ap-south-2' });
    expect(awsConnections(config).queueAt(queueUrl).region).toBe(region);
    expect(awsConnections(config).eventBridge.region).toBe('ap-south-2');
  });

  test.each([
    'arn:aws:events:eu-west-1:123456789012:event-bus/b',
    'arn:aws-us-gov:events:us-gov-west-1:123456789012:event-bus/b',
  ])('a bus of another region than that of the client: %s', (value) => {
    const region = value.split(':')[3] ?? '';
    expect(problemsOf({ ...minimal, EVENTBUS_NAME: value, AWS_REGION: region })).toEqual([]);
    expect(problemsOf({ ...minimal, EVENTBUS_NAME: value, AWS_REGION: 'us-east-2' })).toEqual([
      `EVENTBUS_NAME: found one in the region ${region}; allowed: that of AWS_REGION (us-east-2), where it is called`,
    ]);
  });

  test.each([
    ['DLQ_QUEUE_URL', 'http://127.0.0.1:4566/000000000000/dead'],
    ['DLQ_QUEUE_URL', 'http://sqs.eu-west-1.localhost.localstack.cloud:4566/0/dead'],
    ['EVENTBUS_NAME', 'orders-eu-west-1'],
  ])('%s that names no region of AWS is taken: %s', (name, value) => {
    expect(problemsOf({ ...minimal, [name]: value })).toEqual([]);
  });

  test('the worker needs a queue for its dead letters', () => {
    const { WORKER_ENABLED: _off, ...withWorker } = minimal;
    expect(problemsOf(withWorker)).toEqual([expect.stringMatching(/^DLQ_QUEUE_URL: not set/)]);
    expect(
      problemsOf({ ...withWorker, DLQ_QUEUE_URL: 'https://sqs.example.com/1/dead.fifo' }),
    ).toEqual([]);
  });

  test.each([
    [
      'reader',
      [/^ROLES: found reader; allowed: reader and publisher together, or BUFFER_QUEUE_URL/],
    ],
    ['publisher', [/^ROLES: found publisher; allowed/]],
    ['api,publisher', [/^ROLES: found api,publisher; allowed/]],
    ['api,reader', [/^ROLES: found api,reader; allowed/]],
    ['reader,publisher', []],
    ['api', []],
  ])('ROLES=%s without a buffer', (ROLES, expected) => {
    const { WORKER_ENABLED: _off, ...rest } = minimal;
    const environment = { ...rest, ROLES, DLQ_QUEUE_URL: 'http://127.0.0.1/1/dead' };
    expect(problemsOf(environment)).toEqual(
      expected.map((problem): unknown => expect.stringMatching(problem)),
    );
    const buffer = { BUFFER_QUEUE_URL: 'http://127.0.0.1/1/events.fifo' };
    expect(problemsOf({ ...environment, ...buffer })).toEqual([]);
  });

  test.each(['', ' ', 'api,', 'API', 'writer', 'api;reader'])('ROLES=%j', (ROLES) => {
    const problems = problemsOf({ ...minimal, ROLES });
    expect(problems).toEqual(
      ROLES.trim() === '' ? [] : [expect.stringMatching(/^ROLES: found .*; allowed/)],
    );
  });

  test('a role needs the credentials of what it calls, and no others', () => {
    const buffer = {
      BUFFER_QUEUE_URL: 'http://127.0.0.1/1/events.fifo',
      DLQ_QUEUE_URL: 'http://127.0.0.1/1/dead',
      AUTH_MODE: 'none',
    };
    expect(problemsOf({ ...buffer, ROLES: 'publisher' })).toEqual([]);
    expect(problemsOf({ ...buffer, ROLES: 'reader' })).toEqual([
      expect.stringContaining('one complete set of Genesys credentials'),
    ]);
  });

  test('whoever gives credentials says who may call, in production and elsewhere', () => {
    const { AUTH_MODE: _, ...silent } = minimal;
    for (const NODE_ENV of ['development', 'test', 'production']) {
      for (const AUTH_MODE of ['', ' ']) {
        expect(problemsOf({ ...silent, ...said, NODE_ENV, AUTH_MODE })).toEqual([
          expect.stringMatching(/^AUTH_MODE: not set; .*api-key \(npm run keygen .* or none/),
        ]);
      }
    }
    const production = { ...minimal, ...said, NODE_ENV: 'production' };
    expect(problemsOf({ ...production, AUTH_MODE: 'none' })).toEqual([]);
    expect(problemsOf({ ...production, AUTH_MODE: 'api-key' })).toEqual([
      expect.stringMatching(/^API_KEYS: not set; required by AUTH_MODE=api-key/),
    ]);
    const key = `crm:map+report:${'0a'.repeat(32)}`;
    expect(problemsOf({ ...production, AUTH_MODE: 'api-key', API_KEYS: `${key}, ${key}` })).toEqual(
      [],
    );
  });

  test('names of this service are names: no ports, no addresses with a scheme, no patterns', () => {
    for (const good of ['bridge', 'bridge.example', 'a.b , C.d', 'x_y.svc.cluster.local']) {
      expect(problemsOf({ ...minimal, ALLOWED_HOSTS: good })).toEqual([]);
    }
    for (const bad of ['*', '*.example', 'https://a.b', 'a.b:443', 'a b', 'a,,b', '.a', 'a.']) {
      expect(problemsOf({ ...minimal, ALLOWED_HOSTS: bad })).toEqual([
        expect.stringMatching(/^ALLOWED_HOSTS: found/),
      ]);
    }
  });

  test('JWTs have exactly one source of keys, of the family of their algorithms', () => {
    const jwt = { ...minimal, AUTH_MODE: 'jwt', JWT_ISSUER: 'iss', JWT_AUDIENCE: 'aud' };
    const secret = 'x'.repeat(32);
    expect(problemsOf({ ...jwt, JWT_PUBLIC_KEY: ec.publicKey })).toEqual([]);
    expect(problemsOf({ ...jwt, JWT_JWKS_URL: 'https://example.com/jwks' })).toEqual([]);
    const ed = generateKeyPairSync('ed25519', {
      privateKeyEncoding: pem,
      publicKeyEncoding: publicPem,
    });
    const edDsa = { ...jwt, JWT_PUBLIC_KEY: ed.publicKey, JWT_ALGORITHMS: 'RS256,EdDSA' };
    expect(problemsOf(edDsa)).toEqual([]);
    expect(problemsOf({ ...edDsa, JWT_ALGORITHMS: 'EdDSA,HS256' })).toEqual([
      expect.stringMatching(/^JWT_ALGORITHMS: mixes HS/),
    ]);
    expect(problemsOf({ ...edDsa, JWT_ALGORITHMS: 'EdDSA256' })).toEqual([
      expect.stringMatching(/^JWT_ALGORITHMS: found "EdDSA256"/),
    ]);
    expect(problemsOf({ ...jwt, JWT_SECRET: secret, JWT_ALGORITHMS: 'HS256' })).toEqual([]);
    expect(problemsOf({ ...jwt, JWT_SECRET: secret })).toEqual([
      expect.stringMatching(/^JWT_ALGORITHMS: HS algorithms go with JWT_SECRET/),
    ]);
    expect(problemsOf({ ...jwt, JWT_PUBLIC_KEY: ec.publicKey, JWT_ALGORITHMS: 'HS256' })).toEqual([
      expect.stringMatching(/^JWT_ALGORITHMS: HS algorithms go with JWT_SECRET/),
    ]);
    expect(
      problemsOf({ ...jwt, JWT_PUBLIC_KEY: ec.publicKey, JWT_ALGORITHMS: 'RS256,HS256' }),
    ).toEqual([expect.stringMatching(/^JWT_ALGORITHMS: mixes HS/)]);
    expect(
      problemsOf({
        ...jwt,
        JWT_PUBLIC_KEY: ec.publicKey,
        JWT_JWKS_URL: 'https://example.com/jwks',
      }),
    ).toEqual([expect.stringContaining('2 of them are set')]);
  });
});

describe('a private key', () => {
  const load = (key: string) =>
    loadConfig({ ...minimal, ...jwtBearer, OAUTH_PRIVATE_KEY: key }).OAUTH_PRIVATE_KEY;
  const problem = (key: string) =>
    problemsOf({ ...minimal, ...jwtBearer, OAUTH_PRIVATE_KEY: key }).join();

  test.each([
    ['EC', ec.privateKey],
    ['RSA', rsa.privateKey],
  ])('%s may be PEM, PEM with \\n written out, base64, or a file', async (_kind, key) => {
    expect(load(key)?.trim()).toBe(key.trim());
    expect(load(key.replaceAll('\n', '\\n'))?.trim()).toBe(key.trim());
    expect(load(Buffer.from(key).toString('base64'))?.trim()).toBe(key.trim());
    const folder = await mkdtemp(join(tmpdir(), 'config-'));
    try {
      const path = join(folder, 'key.pem');
      await writeFile(path, key);
      expect(load(path)?.trim()).toBe(key.trim());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('may come in quotes, with its line ends written out, and with a byte order mark', () => {
    const key = ec.privateKey.trim();
    const base64 = Buffer.from(`\uFEFF${key}`).toString('base64');
    for (const form of [
      `"${key}"`,
      `'${key.replaceAll('\n', '\\n')}'`,
      `"${key.replaceAll('\n', '\\r\\n')}\\r\\n"`,
      `\uFEFF${key}`,
      `"${base64}"`,
      key.replaceAll('\n', '\r\n'),
    ]) {
      const read = load(form) ?? '';
      expect(createPrivateKey(read).equals(createPrivateKey(key))).toBe(true);
    }
  });

  test('that is encrypted is called so, with what to do', () => {
    const encrypted = (type: 'pkcs8' | 'sec1') =>
      createPrivateKey(ec.privateKey)
        .export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
        .toString();
    for (const key of [encrypted('pkcs8'), encrypted('sec1')]) {
      for (const form of [key, Buffer.from(key).toString('base64'), key.replaceAll('\n', '\\n')]) {
        expect(problem(form)).toContain('is encrypted: decrypt it first, e.g. openssl pkey -in');
      }
    }
  });

  test('that is none, of the wrong kind, or too weak is refused without being shown', () => {
    const other = (pair: { privateKey: string }) => problem(pair.privateKey);
    expect(problem('/no/such/file')).toContain('neither a PEM text, nor base64');
    expect(problem(ec.publicKey)).toContain('no private key');
    expect(problem(ec.privateKey.replace(/.{20}\n-----END/, '\n-----END'))).toContain(
      'no private key',
    );
    expect(
      other(
        generateKeyPairSync('ed25519', { privateKeyEncoding: pem, publicKeyEncoding: publicPem }),
      ),
    ).toContain('neither EC');
    expect(
      other(
        generateKeyPairSync('ec', {
          namedCurve: 'P-384',
          privateKeyEncoding: pem,
          publicKeyEncoding: publicPem,
        }),
      ),
    ).toContain('P-256');
    expect(
      other(
        generateKeyPairSync('rsa', {
          modulusLength: 1024,
          privateKeyEncoding: pem,
          publicKeyEncoding: publicPem,
        }),
      ),
    ).toContain('2048 bits');
    expect(problem(ec.publicKey)).not.toContain(ec.publicKey.slice(30, 60));
  });
});

describe('what is between us and the world', () => {
  const authority = createAuthority();

  async function fileOf(text: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'certificates-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'ca.pem'), text);
    return join(folder, 'ca.pem');
  }

  test('proxies are found in upper and in lower case, which wins', () => {
    const config = loadConfig({
      ...minimal,
      HTTPS_PROXY: 'http://upper.test:3128',
      https_proxy: 'http://lower.test:3128',
      HTTP_PROXY: 'http://upper.test:3128',
      http_proxy: ' ',
      no_proxy: 'a.test,.b.test',
    });
    expect(config.HTTPS_PROXY).toBe('http://lower.test:3128');
    expect(config.HTTP_PROXY).toBe('http://upper.test:3128');
    expect(config.NO_PROXY).toBe('a.test,.b.test');
    // Names that are ours alone are not read in lower case.
    expect(loadConfig({ ...minimal, port: '1' }).PORT).toBe(3000);
  });

  test('an address that is none is a problem, and its credentials are not shown', () => {
    for (const value of ['user:geheim@proxy.test:3128', 'socks5://user:geheim@proxy.test']) {
      const problems = problemsOf({ ...minimal, HTTPS_PROXY: value });
      expect(problems).toEqual([
        expect.stringMatching(/^HTTPS_PROXY: found \(hidden\); allowed: an http:\/\/ or https/),
      ]);
    }
  });

  test.each(['NODE_EXTRA_CA_CERTS', 'AWS_CA_BUNDLE'] as const)(
    '%s: the certificates of the file, or what is wrong with it',
    async (name) => {
      const two = authority.certificate + createAuthority('two').certificate;
      const path = await fileOf(`Our house\n${two}`);
      expect(loadConfig({ ...minimal, [name]: path })[name]).toBe(two);
      const broken = await fileOf(authority.certificate.replace(/\n\w{20}/, '\n'));
      const empty = await fileOf('nothing');
      for (const [file, says] of [
        ['/nonexistent/ca.pem', 'which cannot be read (ENOENT)'],
        [empty, 'which has no PEM certificate'],
        [broken, 'of whose certificates number 1 cannot be read'],
      ] as const) {
        expect(problemsOf({ ...minimal, [name]: file })).toEqual([
          `${name}: found "${file}", ${says}; allowed: ${settings[name].description}`,
        ]);
      }
    },
  );
});
