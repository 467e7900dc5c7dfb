/** The regions of Genesys Cloud and their domains, as its own libraries have them. */
const DOMAINS = new Map([
  ['us-east-1', 'mypurecloud.com'],
  ['us-east-2', 'use2.us-gov-pure.cloud'],
  ['us-west-2', 'usw2.pure.cloud'],
  ['ca-central-1', 'cac1.pure.cloud'],
  ['sa-east-1', 'sae1.pure.cloud'],
  ['mx-central-1', 'mxc1.pure.cloud'],
  ['eu-west-1', 'mypurecloud.ie'],
  ['eu-west-2', 'euw2.pure.cloud'],
  ['eu-central-1', 'mypurecloud.de'],
  ['eu-central-2', 'euc2.pure.cloud'],
  ['eusc-de-east-1', 'edee1.eusc-pure.cloud'],
  ['me-central-1', 'mec1.pure.cloud'],
  ['ap-northeast-1', 'mypurecloud.jp'],
  ['ap-northeast-2', 'apne2.pure.cloud'],
  ['ap-northeast-3', 'apne3.pure.cloud'],
  ['ap-south-1', 'aps1.pure.cloud'],
  ['ap-southeast-1', 'apse1.pure.cloud'],
  ['ap-southeast-2', 'mypurecloud.com.au'],
]);

export const REGIONS = Array.from(DOMAINS, ([name, domain]) => `${name} (${domain})`);

/** The domain of a region, which may be given as `eu-central-1`, `eu_central_1` or its domain. */
export function domainOf(region: string): string | undefined {
  const given = region.toLowerCase();
  const named = DOMAINS.get(given.replaceAll('_', '-'));
  return named ?? [...DOMAINS.values()].find((domain) => domain === given);
}

/** The domain of a public region that this is the API address of. */
export function publicDomain(baseUrl: string): string | undefined {
  if (!URL.canParse(baseUrl)) return undefined;
  const host = new URL(baseUrl).hostname;
  return [...DOMAINS.values()].find((domain) => host === `api.${domain}`);
}

/** Where tokens are: at `login.X` for the API at `api.X`, else at the same address. */
export function loginUrlOf(baseUrl: string): string {
  if (!URL.canParse(baseUrl)) return baseUrl;
  const url = new URL(baseUrl);
  url.hostname = url.hostname.replace(/^api\./, 'login.');
  return url.origin;
}
