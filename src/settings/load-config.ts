import { Ajv2019, type ErrorObject } from 'ajv/dist/2019.js';
import { ConfigError, messageOf } from '../errors.ts';
import { cutText } from '../lib/cut-text.ts';
import { readInteger } from '../lib/decimal.ts';
import { platformDefaults } from './platform/settings.ts';
import { readCertificates } from './read-certificates.ts';
import { readKey } from './read-key.ts';
import { problemsBetweenSettings, REQUIRED_TOGETHER } from './rules.ts';
import { type Config, type SettingName, settings } from './settings.ts';

export type { Config } from './settings.ts';

/** Environment variables as they come; an empty one counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

const validate = new Ajv2019({
  allErrors: true,
  useDefaults: true,
  strict: true,
  keywords: ['group', 'secret', 'lowerCaseToo', 'certificates'],
  formats: { 'http-url': isHttpUrl },
}).compile({ type: 'object', properties: settings, dependentRequired: REQUIRED_TOGETHER });

/**
 * The environment as a checked, frozen Config.
 *
 * @throws ConfigError with every problem at once: the name, what was found, what is allowed.
 *   Secrets are never part of a message.
 */
export function loadConfig(environment: Environment): Config {
  const given: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(settings)) {
    const value = (readLowerCase(row, name, environment) ?? environment[name])?.trim();
    if (value === undefined || value === '') continue;
    given[name] = value;
    values[name] = convert(value, row.type);
  }

  Object.assign(values, platformDefaults(values));

  const problems: string[] = [];
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
  for (const [name, row] of Object.entries(settings)) {
    const value = values[name];
    if (!('certificates' in row) || typeof value !== 'string') continue;
    try {
      values[name] = readCertificates(value);
    } catch (error) {
      problems.push(`${name}: ${messageOf(error)}; allowed: ${row.description}`);
    }
  }

  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
  return Object.freeze(values) as Config;
}

/** Some names are common in lower case, and then more often meant. */
function readLowerCase(row: object, name: string, environment: Environment): string | undefined {
  const value = 'lowerCaseToo' in row ? environment[name.toLowerCase()]?.trim() : undefined;
  return value === '' ? undefined : value;
}

/** Ajv's own coercion lets `Infinity` and `0x10` through; what does not convert stays text. */
function convert(value: string, type: string): unknown {
  if (type === 'integer') return readInteger(value) ?? value;
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

function describe(error: ErrorObject, given: Readonly<Record<string, unknown>>): string {
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'dependentRequired') {
    return `${String(params['missingProperty'])}: not set; required together with ${String(params['property'])}`;
  }
  const name = error.instancePath.slice(1) as SettingName;
  const setting: { secret?: boolean; description: string } = settings[name];
  const found =
    setting.secret === true ? '(hidden)' : cutText(JSON.stringify(given[name] ?? ''), 200);
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
