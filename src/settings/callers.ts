import { address, group, integer, oneOf, secret, text, unset } from './kinds.ts';

const ALGORITHM = '(?:(?:RS|ES|PS|HS)(?:256|384|512)|EdDSA)';
const HOST_NAME = '[\\w-]+(?:\\.[\\w-]+)*';
const API_KEY = '[\\w.-]{1,64}:[a-z+]+:[0-9a-f]{64}';

/** Who may call the routes. */
export const callerSettings = group('Callers', {
  AUTH_MODE: oneOf(
    'none',
    ['none', 'api-key', 'jwt', 'api-key,jwt'],
    'Who may call the routes; with Genesys credentials it must be said',
  ),
  // Only hashes, but who misreads that puts the keys themselves here.
  API_KEYS: secret('Comma list of name:role+role:sha256; made by `npm run keygen`', {
    pattern: `^${API_KEY}(?:\\s*,\\s*${API_KEY})*$`,
  }),
  JWT_ISSUER: text(unset, "Required `iss` of callers' tokens"),
  JWT_AUDIENCE: text(unset, "Required `aud` of callers' tokens"),
  JWT_ALGORITHMS: text('RS256,ES256', 'Comma list of signature algorithms that are accepted', {
    pattern: `^${ALGORITHM}(?:,${ALGORITHM})*$`,
  }),
  JWT_PUBLIC_KEY: text(
    unset,
    "PEM public key (also \\n-escaped, base64, or a file path) that signs callers' tokens; RSA: at least 2048 bits",
  ),
  JWT_SECRET: secret('Shared secret for HS algorithms, at least 32 bytes', { minLength: 32 }),
  JWT_JWKS_URL: address(
    unset,
    "Address of the issuer's key set; RSA keys below 2048 bits and keys for encryption are left out",
  ),
  JWT_ROLES_CLAIM: text('roles', 'Claim with the roles: a list, or words separated by spaces'),
  AUTH_FAILURES_PER_MINUTE: integer(
    30,
    [1, 1_000_000],
    'Failed attempts of one address that get a 401; more get a 429',
  ),
  ALLOWED_HOSTS: text(
    unset,
    'Comma list of the names callers know this service by; others are refused with `AUTH_MODE=none`, and where this is set. Addresses and localhost are always allowed',
    { pattern: `^${HOST_NAME}(?:\\s*,\\s*${HOST_NAME})*$` },
  ),
  TRUST_PROXY: text(
    'false',
    'Express `trust proxy`: false, a number of hops, or addresses; true believes whoever calls',
  ),
});
