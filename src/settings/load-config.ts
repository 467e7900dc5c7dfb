import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv2019, type ErrorObject } from 'ajv/dist/2019.js';
import { ConfigError } from '../errors.ts';
import { type Config, type SettingName, settings, settingsSchema } from './settings.ts';

export type { Config } from './settings.ts';

/** Environment variables as they come; an empty one counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment as a checked, frozen Config.
 *
 * @throws ConfigError with every problem at once: the name, what was found, what is allowed.
 *   Secrets are never part of a message.
 */
export function loadConfig(environment: Environment): Config {
  const given: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  for (const [name, { type }] of Object.entries(settings)) {
    const value = environment[name]?.trim();
    if (value === undefined || value === '') continue;
    given[name] = value;
    values[name] = convert(value, type);
  }

  const problems: string[] = [];
  const validate = new Ajv2019({
    allErrors: true,
    useDefaults: true,
    strict: true,
    keywords: ['group', 'secret'],
    formats: { 'http-url': isHttpUrl },
  }).compile(settingsSchema);
  if (!validate(values)) {
    for (const error of validate.errors ?? []) problems.push(describe(error, given));
  }
  problems.push(...problemsBetweenSettings(values, given));

  for (const name of ['OAUTH_PRIVATE_KEY', 'JWT_PUBLIC_KEY'] as const) {
    const value = values[name];
    if (typeof value !== 'string') continue;
    try {
      values[name] = readKey(value, name === 'OAUTH_PRIVATE_KEY');
    } catch (error) {
      problems.push(
        `${name}: ${error instanceof Error ? error.message : 'unreadable'}; allowed: ${settings[name].description}`,
      );
    }
  }

  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return Object.freeze(values) as Config;
}

/** Ajv's own coercion lets `Infinity` and `0x10` through; what does not convert stays text. */
function convert(value: string, type: string): unknown {
  if (type === 'integer' && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (type === 'boolean' && /^(?:true|false)$/.test(value)) return value === 'true';
  return value;
}

/** Whether any Genesys credentials are there at all; without them the sandbox can stand in. */
export function hasGenesysCredentials(environment: Environment): boolean {
  return (
    [
      'OAUTH_CLIENT_ID',
      'OAUTH_PRIVATE_KEY',
      'OAUTH_SUBJECT',
      'GENESYS_CLIENT_ID',
      'GENESYS_CLIENT_SECRET',
    ] as const
  ).some((name) => (environment[name]?.trim() ?? '') !== '');
}

/** By the rule that settings are read by, before they are. */
export function isProduction(environment: Environment): boolean {
  return environment['NODE_ENV']?.trim() === 'production';
}

function problemsBetweenSettings(
  values: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): string[] {
  const problems: string[] = [];
  const has = (name: SettingName) => values[name] !== undefined;
  const missing = (name: SettingName, why: string) =>
    problems.push(`${name}: not set; ${why} (${settings[name].description})`);

  if (!has('OAUTH_CLIENT_ID') && !has('GENESYS_CLIENT_ID')) {
    problems.push(
      'OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY, OAUTH_SUBJECT or GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET: not set; ' +
        'allowed: one complete set of Genesys credentials, or both',
    );
  }
  if (values['WORKER_ENABLED'] === true && !has('DLQ_QUEUE_URL')) {
    missing('DLQ_QUEUE_URL', 'required unless WORKER_ENABLED=false');
  }
  if (values['NODE_ENV'] === 'production' && given['AUTH_MODE'] === undefined) {
    missing('AUTH_MODE', 'in production it must be said, and may be none');
  }
  const modes = String(values['AUTH_MODE']).split(',');
  if (modes.includes('api-key') && !has('API_KEYS')) {
    missing('API_KEYS', 'required by AUTH_MODE=api-key');
  }
  if (modes.includes('jwt')) {
    if (!has('JWT_ISSUER')) missing('JWT_ISSUER', 'required by AUTH_MODE=jwt');
    if (!has('JWT_AUDIENCE')) missing('JWT_AUDIENCE', 'required by AUTH_MODE=jwt');
    const keys = (['JWT_PUBLIC_KEY', 'JWT_SECRET', 'JWT_JWKS_URL'] as const).filter(has);
    if (keys.length !== 1) {
      problems.push(
        `JWT_PUBLIC_KEY, JWT_SECRET, JWT_JWKS_URL: ${keys.length} of them are set; allowed: exactly one with AUTH_MODE=jwt`,
      );
    }
    const symmetric = /HS/.test(String(values['JWT_ALGORITHMS']));
    const asymmetric = /[REP]S|EdDSA/.test(String(values['JWT_ALGORITHMS']));
    if (symmetric && asymmetric) {
      problems.push(
        'JWT_ALGORITHMS: mixes HS with public-key algorithms; allowed: one of the two families',
      );
    } else if (symmetric !== has('JWT_SECRET')) {
      problems.push(
        'JWT_ALGORITHMS: HS algorithms go with JWT_SECRET, all others with a public key',
      );
    }
  }
  for (const [lower, upper] of ORDERED) {
    if (Number(values[lower]) > Number(values[upper])) {
      problems.push(
        `${lower}: found ${String(values[lower])}; allowed: at most ${upper} (${String(values[upper])})`,
      );
    }
  }
  return problems;
}

/** Pairs of which the first must not exceed the second. */
const ORDERED = [
  ['MAP_MIN_BATCH_SIZE', 'MAP_BATCH_SIZE'],
  ['HTTP_BODY_LIMIT_BYTES', 'HTTP_MAX_HELD_BODY_BYTES'],
  ['GENESYS_RETRY_BASE_MS', 'GENESYS_RETRY_MAX_MS'],
  ['PUBLISH_RETRY_BASE_MS', 'PUBLISH_RETRY_MAX_MS'],
] as const;

function describe(error: ErrorObject, given: Readonly<Record<string, unknown>>): string {
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'dependentRequired') {
    return `${String(params['missingProperty'])}: not set; required together with ${String(params['property'])}`;
  }
  const name = error.instancePath.slice(1) as SettingName;
  const setting: { secret?: boolean; description: string } = settings[name];
  const found = setting.secret === true ? '(hidden)' : JSON.stringify(given[name])?.slice(0, 200);
  return `${name}: found ${found}; allowed: ${allowed(name)} (${setting.description})`;
}

function allowed(name: SettingName): string {
  const setting: Readonly<Record<string, unknown>> = settings[name];
  if (Array.isArray(setting['enum'])) return setting['enum'].join(', ');
  if (setting['type'] === 'integer') {
    return `a whole number from ${String(setting['minimum'])} to ${String(setting['maximum'])}`;
  }
  if (setting['type'] === 'boolean') return 'true or false';
  if (setting['format'] === 'http-url') return 'an http:// or https:// address';
  if (typeof setting['minLength'] === 'number' && setting['minLength'] > 1) {
    return `at least ${setting['minLength']} characters`;
  }
  return typeof setting['pattern'] === 'string' ? `text like ${setting['pattern']}` : 'text';
}

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

/** A PEM key as it is, with `\n` written out, in base64, or in a file. */
function readKey(value: string, isPrivate: boolean): string {
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
