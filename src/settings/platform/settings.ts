import { address, flag, group, oneOf, text, unset } from '../kinds.ts';
import { domainOf, loginUrlOf, publicDomain, REGIONS } from './regions.ts';

export const platformSettings = group('Genesys Cloud, published API', {
  GENESYS_API: oneOf(
    'reference',
    ['reference', 'platform'],
    'Which API is spoken: that of a site that offers the reference contract, or the one that Genesys publishes for every organisation. The rest of this group is for platform',
  ),
  GENESYS_REGION: text(
    unset,
    "The organisation's region, e.g. eu-central-1 or mypurecloud.de, in place of GENESYS_BASE_URL",
  ),
  GENESYS_LOGIN_URL: address(
    unset,
    'Where tokens are (/oauth/token is added); none = login.X for the API at api.X, else the same address',
  ),
  GENESYS_SCHEMAS: text(
    unset,
    'Comma list of conversation schemas that are looked at and written, by title or id; none = all that are enabled',
  ),
  GENESYS_OWN_SCHEMA: text(
    'Interaction Bridge',
    'Title of the conversation schema that missing attributes are added to',
  ),
  GENESYS_DEFINE_ATTRIBUTES: flag(true, 'false: missing attributes are only reported'),
  GENESYS_WRITE_MODE: oneOf(
    'merge',
    ['merge', 'read-merge', 'replace'],
    'How a record is written: PATCH, and PUT where there is none yet; read, merged and PUT; or PUT, which erases other attributes of it',
  ),
  GENESYS_DIVISIONS: text(
    unset,
    'Comma list of division ids of each record, unless its unit says otherwise',
    { pattern: '^[\\w-]+(?:\\s*,\\s*[\\w-]+)*$' },
  ),
  GENESYS_CONVERSATION_LOOKUP: oneOf(
    'none',
    ['none', 'external-tag'],
    "What a record's id is: a conversation id, or a conversation's external tag, which is looked up",
  ),
  UNITS_FILE: text(
    unset,
    'Units of the organisation with their parents, schemas and divisions; none = config/units.json if it is there',
  ),
});

type Values = Readonly<Record<string, unknown>>;

/** Defaults that are others with the published API, for what was not given. */
export function platformDefaults(given: Values): Readonly<Record<string, unknown>> {
  if (given['GENESYS_API'] !== 'platform') return {};
  const region = given['GENESYS_REGION'];
  const domain = typeof region === 'string' ? domainOf(region) : undefined;
  const stated = given['GENESYS_BASE_URL'];
  const fromRegion = domain === undefined ? 'https://api.mypurecloud.com' : `https://api.${domain}`;
  const baseUrl = typeof stated === 'string' ? stated : fromRegion;
  return {
    GENESYS_BASE_URL: baseUrl,
    GENESYS_LOGIN_URL: loginUrlOf(baseUrl),
    // 80 % of what Genesys allows a token.
    GENESYS_REQUESTS_PER_MINUTE: 240,
    // Each is a request, and a JSON answer comes only when all are done.
    MAP_MAX_RECORDS: 200,
    ...given,
  };
}

/** What is wrong with the choice of the API and what goes with it. */
export function problemsOfPlatform(
  given: Values,
  roles: { readonly callsGenesys: boolean },
): string[] {
  const has = (name: string) => given[name] !== undefined;
  if (given['GENESYS_API'] !== 'platform') {
    // A default that is written out says nothing.
    return Object.entries(platformSettings)
      .filter(
        ([name, row]) => has(name) && !('default' in row && given[name] === String(row.default)),
      )
      .map(
        ([name]) =>
          `${name}: set with GENESYS_API=reference, which has no such thing; allowed: with GENESYS_API=platform`,
      );
  }
  const problems = ['OAUTH_CLIENT_ID', 'OAUTH_PRIVATE_KEY', 'OAUTH_SUBJECT']
    .filter(has)
    .map(
      (name) =>
        `${name}: set with GENESYS_API=platform, and Genesys Cloud has no JWT-bearer grant; allowed: GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET`,
    );
  if (roles.callsGenesys && !has('GENESYS_CLIENT_ID')) {
    problems.push(
      'GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET: not set; allowed: those of an OAuth client with the grant Client Credentials (Genesys Cloud Admin > Integrations > OAuth)',
    );
  }
  const region = given['GENESYS_REGION'];
  if (typeof region === 'string' && domainOf(region) === undefined) {
    problems.push(
      `GENESYS_REGION: found ${JSON.stringify(region.slice(0, 100))}; allowed: ${REGIONS.join(', ')}`,
    );
  }
  return problems;
}

/** Why the other API is most likely meant. */
export function wrongApiWarning(values: {
  readonly GENESYS_API: string;
  readonly GENESYS_BASE_URL: string;
}): string | undefined {
  const domain = publicDomain(values.GENESYS_BASE_URL);
  if (values.GENESYS_API === 'platform' || domain === undefined) return undefined;
  return `GENESYS_BASE_URL is the API of Genesys Cloud's public region ${domain}, which has none of the endpoints of GENESYS_API=reference; for a real organisation set GENESYS_API=platform`;
}
