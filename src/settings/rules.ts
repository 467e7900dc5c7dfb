import { problemsOfPlatform } from './platform/settings.ts';
import { rolesOf } from './roles.ts';
import { type SettingName, settings } from './settings.ts';

/** Those that are given together or not at all. */
export const REQUIRED_TOGETHER: { readonly [K in SettingName]?: readonly SettingName[] } = {
  OAUTH_CLIENT_ID: ['OAUTH_PRIVATE_KEY', 'OAUTH_SUBJECT'],
  OAUTH_PRIVATE_KEY: ['OAUTH_CLIENT_ID', 'OAUTH_SUBJECT'],
  OAUTH_SUBJECT: ['OAUTH_CLIENT_ID', 'OAUTH_PRIVATE_KEY'],
  GENESYS_CLIENT_ID: ['GENESYS_CLIENT_SECRET'],
  GENESYS_CLIENT_SECRET: ['GENESYS_CLIENT_ID'],
  EVENT_SCHEMA_REGISTRY: ['EVENT_SCHEMA_NAME'],
  EVENT_SCHEMA_NAME: ['EVENT_SCHEMA_REGISTRY'],
};

/** Pairs of which the first must not exceed the second. */
const ORDERED = [
  ['MAP_MIN_BATCH_SIZE', 'MAP_BATCH_SIZE'],
  ['HTTP_BODY_LIMIT_BYTES', 'HTTP_MAX_HELD_BODY_BYTES'],
  ['GENESYS_RETRY_BASE_MS', 'GENESYS_RETRY_MAX_MS'],
  ['PUBLISH_RETRY_BASE_MS', 'PUBLISH_RETRY_MAX_MS'],
] as const;

/** What is wrong between settings that are each right by themselves. */
export function problemsBetweenSettings(
  values: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): string[] {
  const problems: string[] = [];
  const has = (name: SettingName) => values[name] !== undefined;
  const missing = (name: SettingName, why: string) =>
    problems.push(`${name}: not set; ${why} (${settings[name].description})`);

  const roles = rolesOf(values);
  const [reads, publishes] = [roles.has('reader'), roles.has('publisher')];
  const callsGenesys = roles.has('api') || reads;
  problems.push(...problemsOfPlatform(given, { callsGenesys }));
  const isPlatform = values['GENESYS_API'] === 'platform';
  if (callsGenesys && !isPlatform && !has('OAUTH_CLIENT_ID') && !has('GENESYS_CLIENT_ID')) {
    problems.push(
      'OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY, OAUTH_SUBJECT or GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET: not set; ' +
        'allowed: one complete set of Genesys credentials, or both',
    );
  }
  if ((reads || publishes) && !has('DLQ_QUEUE_URL')) {
    missing('DLQ_QUEUE_URL', 'required unless ROLES=api');
  }
  if (reads !== publishes && !has('BUFFER_QUEUE_URL')) {
    problems.push(
      `ROLES: found ${String(values['ROLES'])}; allowed: reader and publisher together, or BUFFER_QUEUE_URL, the queue between them`,
    );
  }
  if (values['NODE_ENV'] === 'production') {
    const say = (name: SettingName, more = '') => {
      if (given[name] === undefined) missing(name, `in production it must be said${more}`);
    };
    if (callsGenesys && given['GENESYS_REGION'] === undefined) {
      say('GENESYS_BASE_URL', isPlatform ? ', or GENESYS_REGION' : '');
    }
    if (publishes) say('EVENTBUS_NAME', ' unless ROLES has no publisher, and may be default');
    if (reads || publishes || has('EVENT_SCHEMA_REGISTRY') || has('FINGERPRINT_TABLE'))
      say('AWS_REGION');
  }
  const busRegion = regionIn(String(values['EVENTBUS_NAME']));
  if (busRegion !== undefined && busRegion !== values['AWS_REGION']) {
    problems.push(
      `EVENTBUS_NAME: found one in the region ${busRegion}; allowed: that of AWS_REGION (${String(values['AWS_REGION'])}), where it is called`,
    );
  }
  if (given['AUTH_MODE'] === undefined) {
    problems.push(
      'AUTH_MODE: not set; with credentials for Genesys it must be said: api-key (npm run keygen makes them), jwt, both, or none, which lets in whoever reaches the port',
    );
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

/** The region that an ARN or an address of AWS names; other addresses name none. */
export function regionIn(text: string): string | undefined {
  const arn = /^arn:[a-z-]+:[a-z]+:([a-z0-9-]+):/.exec(text)?.[1];
  if (arn !== undefined || !URL.canParse(text)) return arn;
  const host = new URL(text).hostname;
  if (host === 'queue.amazonaws.com') return 'us-east-1';
  if (!/\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/.test(host)) return undefined;
  return /(?:^|\.)([a-z]{2,4}(?:-[a-z]+)+-\d+)\./.exec(host)?.[1];
}
