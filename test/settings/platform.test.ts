import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { type Environment, loadConfig } from '../../src/settings/load-config.ts';
import { wrongApiWarning } from '../../src/settings/platform/settings.ts';

const minimal: Environment = {
  GENESYS_API: 'platform',
  GENESYS_CLIENT_ID: 'id',
  GENESYS_CLIENT_SECRET: 'a-client-secret',
  WORKER_ENABLED: 'false',
  AUTH_MODE: 'none',
};
const reference: Environment = { ...minimal, GENESYS_API: undefined };

function problemsOf(environment: Environment): readonly string[] {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('hosts', () => {
  test.each([
    ['eu-central-1', 'https://api.mypurecloud.de', 'https://login.mypurecloud.de'],
    ['EU_CENTRAL_1', 'https://api.mypurecloud.de', 'https://login.mypurecloud.de'],
    ['mypurecloud.de', 'https://api.mypurecloud.de', 'https://login.mypurecloud.de'],
    ['usw2.pure.cloud', 'https://api.usw2.pure.cloud', 'https://login.usw2.pure.cloud'],
    [undefined, 'https://api.mypurecloud.com', 'https://login.mypurecloud.com'],
  ])('of the region %s', (region, api, login) => {
    const config = loadConfig({ ...minimal, GENESYS_REGION: region });
    expect(config.GENESYS_BASE_URL).toBe(api);
    expect(config.GENESYS_LOGIN_URL).toBe(login);
  });

  test('an address of its own wins over the region, and is where tokens are', () => {
    const config = loadConfig({
      ...minimal,
      GENESYS_REGION: 'eu-west-1',
      GENESYS_BASE_URL: 'http://127.0.0.1:4100',
    });
    expect(config.GENESYS_BASE_URL).toBe('http://127.0.0.1:4100');
    expect(config.GENESYS_LOGIN_URL).toBe('http://127.0.0.1:4100');
    const login = 'http://127.0.0.1:4100/login';
    expect(loadConfig({ ...minimal, GENESYS_LOGIN_URL: login }).GENESYS_LOGIN_URL).toBe(login);
  });

  test.each(['mars-1', 'constructor', 'https://api.mypurecloud.de', '__proto__'])(
    'the region %s is refused with the list of all',
    (region) => {
      expect(problemsOf({ ...minimal, GENESYS_REGION: region })).toEqual([
        expect.stringMatching(
          /^GENESYS_REGION: found ".*"; allowed: us-east-1 \(mypurecloud\.com\), .*ap-southeast-2/,
        ),
      ]);
    },
  );

  test('production asks for an address or a region', () => {
    const production = { ...minimal, NODE_ENV: 'production', AUTH_MODE: 'none' };
    expect(problemsOf({ ...production, GENESYS_REGION: 'eu-west-1' })).toEqual([]);
    expect(problemsOf(production)).toEqual([
      expect.stringContaining(
        'GENESYS_BASE_URL: not set; in production it must be said, or GENESYS_REGION',
      ),
    ]);
  });
});

test('what one token may ask is the default of the rate, and small JSON requests', () => {
  const config = loadConfig(minimal);
  expect([config.GENESYS_REQUESTS_PER_MINUTE, config.MAP_MAX_RECORDS]).toEqual([240, 200]);
  expect(
    loadConfig({ ...minimal, GENESYS_REQUESTS_PER_MINUTE: '1000' }).GENESYS_REQUESTS_PER_MINUTE,
  ).toBe(1000);
  const other = loadConfig(reference);
  expect([other.GENESYS_REQUESTS_PER_MINUTE, other.MAP_MAX_RECORDS]).toEqual([6000, 5000]);
  expect(other.GENESYS_LOGIN_URL).toBeUndefined();
});

test('the JWT-bearer grant is refused, since Genesys Cloud has none', () => {
  const problems = problemsOf({
    ...minimal,
    OAUTH_CLIENT_ID: 'id',
    OAUTH_SUBJECT: 'me',
    OAUTH_PRIVATE_KEY: 'not-shown',
  });
  for (const name of ['OAUTH_CLIENT_ID', 'OAUTH_SUBJECT', 'OAUTH_PRIVATE_KEY']) {
    expect(problems).toContain(
      `${name}: set with GENESYS_API=platform, and Genesys Cloud has no JWT-bearer grant; allowed: GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET`,
    );
  }
  expect(JSON.stringify(problems)).not.toContain('not-shown');
});

test('credentials are demanded by name', () => {
  const without = { ...minimal, GENESYS_CLIENT_ID: '', GENESYS_CLIENT_SECRET: '' };
  expect(problemsOf(without)).toEqual([
    expect.stringMatching(/^GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET: not set; allowed: .*OAuth/),
  ]);
});

test.each([
  ['GENESYS_REGION', 'eu-west-1'],
  ['GENESYS_LOGIN_URL', 'http://127.0.0.1/login'],
  ['GENESYS_SCHEMAS', 'CRM case'],
  ['GENESYS_OWN_SCHEMA', 'CRM case'],
  ['GENESYS_DEFINE_ATTRIBUTES', 'false'],
  ['GENESYS_WRITE_MODE', 'replace'],
  ['GENESYS_DIVISIONS', 'a,b'],
  ['GENESYS_CONVERSATION_LOOKUP', 'external-tag'],
  ['UNITS_FILE', 'config/units.json'],
])('%s says nothing to the reference contract', (name, value) => {
  expect(problemsOf({ ...minimal, [name]: value })).toEqual([]);
  expect(problemsOf({ ...reference, [name]: value })).toEqual([
    `${name}: set with GENESYS_API=reference, which has no such thing; allowed: with GENESYS_API=platform`,
  ]);
});

test('a public region with the reference contract is warned of, and told what to set', () => {
  const warning = (environment: Environment) => wrongApiWarning(loadConfig(environment));
  expect(warning({ ...reference, GENESYS_BASE_URL: 'https://api.mypurecloud.ie/' })).toMatch(
    /mypurecloud\.ie.*set GENESYS_API=platform$/,
  );
  expect(warning(minimal)).toBeUndefined();
  expect(
    warning({ ...reference, GENESYS_BASE_URL: 'https://api.mypurecloud.ie.example.com' }),
  ).toBeUndefined();
});
