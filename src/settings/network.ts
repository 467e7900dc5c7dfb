import { certificates, group, proxy, text, unset } from './kinds.ts';

/** Under the names that other programs know. */
export const networkSettings = group('Network', {
  HTTPS_PROXY: proxy(
    'Forward proxy for https:// addresses, without it HTTP_PROXY; also in lower case, which wins; may have credentials',
  ),
  HTTP_PROXY: proxy('Forward proxy for http:// addresses; also in lower case, which wins'),
  NO_PROXY: {
    ...text(
      unset,
      'Comma list of hosts that are called directly, subdomains included: example.com, .example.com, *.example.com, host:port, *; also in lower case, which wins. Loopback and metadata services always are',
    ),
    lowerCaseToo: true,
  },
  NODE_EXTRA_CA_CERTS: certificates(
    'File of PEM certificates of authorities that are trusted besides the usual ones',
  ),
});
