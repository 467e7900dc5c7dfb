import { address, group, integer, secret, text, unset } from './kinds.ts';

export const genesysSettings = group('Genesys Cloud', {
  GENESYS_BASE_URL: address(
    'https://api.mypurecloud.com',
    'API base address; in production it must be said',
  ),
  OAUTH_CLIENT_ID: text(unset, 'JWT-bearer grant: client id'),
  OAUTH_PRIVATE_KEY: secret(
    'JWT-bearer grant: PEM private key, EC on P-256 or RSA (also in quotes, \\n-escaped, base64, or a file path)',
  ),
  OAUTH_SUBJECT: text(unset, 'JWT-bearer grant: subject'),
  GENESYS_CLIENT_ID: text(unset, 'Client-credentials grant: client id'),
  GENESYS_CLIENT_SECRET: secret('Client-credentials grant: client secret'),
  GENESYS_TOKEN_RENEWAL_SECONDS: integer(
    300,
    [0, 86_400],
    'A token is renewed this long before it expires (at most half its life)',
  ),
  GENESYS_CONNECT_TIMEOUT_MS: integer(5000, [10, 120_000], 'Time to connect'),
  GENESYS_HEADERS_TIMEOUT_MS: integer(30_000, [10, 600_000], 'Time until an answer begins'),
  GENESYS_BODY_TIMEOUT_MS: integer(30_000, [10, 600_000], 'Longest silence within an answer'),
  GENESYS_TRY_TIMEOUT_MS: integer(
    120_000,
    [100, 3_600_000],
    'Longest time of one try of a call, without the wait for its turn',
  ),
  GENESYS_MAX_TRIES: integer(5, [1, 20], 'Tries per call, the first included'),
  GENESYS_RETRY_BASE_MS: integer(500, [1, 60_000], 'Upper bound of the first back-off'),
  GENESYS_RETRY_MAX_MS: integer(30_000, [1, 600_000], 'Upper bound of any back-off'),
  GENESYS_RETRY_BUDGET_MS: integer(
    120_000,
    [1, 3_600_000],
    'No retry of a call starts later than this',
  ),
  GENESYS_REQUESTS_PER_MINUTE: integer(
    6000,
    [1, 1_000_000],
    'Token bucket shared by all calls; follows a lower limit that Genesys reports. With GENESYS_API=platform 240 unless set',
  ),
  GENESYS_SHARERS: integer(
    1,
    [1, 1000],
    'At most so many processes share the limit of Genesys: this one takes what the others leave, and never less than one part in so many',
  ),
  GENESYS_MAX_CONNECTIONS: integer(
    32,
    [1, 1000],
    'Sockets to the API; callers get them in rotation, and reports at most half of them',
  ),
});
