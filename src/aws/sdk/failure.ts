import { type FailureKind, UpstreamError, type UpstreamService } from '../../errors.ts';
import { cutText } from '../../lib/cut-text.ts';
import { isCertificateCode } from '../../lib/network/certificate-code.ts';
import { parseRetryAfter } from '../../lib/retry.ts';

/** The AWS services that this product talks to. */
export type AwsService = Exclude<UpstreamService, 'genesys'>;

/** What was called, for the error's message. */
export interface AwsCall {
  readonly service: AwsService;
  /** The API's own name, for example `PutEvents`. */
  readonly operation: string;
  /** What it was about, for example `bus "orders"`. */
  readonly target: string;
}

/** `code` becomes `<service>_<code>`. */
interface Verdict {
  readonly code: string;
  readonly kind: FailureKind;
}

const THROTTLED: Verdict = { code: 'throttled', kind: 'retry' };
const UNAVAILABLE: Verdict = { code: 'unavailable', kind: 'retry' };
const TIMEOUT: Verdict = { code: 'timeout', kind: 'retry' };
const CREDENTIALS: Verdict = { code: 'credentials', kind: 'systemic' };
const ACCESS_DENIED: Verdict = { code: 'access_denied', kind: 'systemic' };
const ENDPOINT: Verdict = { code: 'endpoint', kind: 'systemic' };
const CERTIFICATE: Verdict = { code: 'certificate', kind: 'systemic' };
const PROXY: Verdict = { code: 'proxy', kind: 'retry' };
const PROXY_REFUSED: Verdict = { ...PROXY, kind: 'systemic' };
const TOO_LARGE: Verdict = { code: 'too_large', kind: 'reject' };
const REFUSED: Verdict = { code: 'refused', kind: 'reject' };

/** Error codes of AWS that mean the same in each of its services, and of the connection. */
const BY_CODE: ReadonlyMap<string, Verdict> = new Map([
  ...pairs(
    THROTTLED,
    'BandwidthLimitExceeded Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException TooManyRequestsException RequestLimitExceeded LimitExceededException SlowDown KmsThrottled OverLimit ProvisionedThroughputExceededException',
  ),
  ...pairs(
    UNAVAILABLE,
    'ECONNRESET EPIPE InternalFailure InternalException InternalServerError InternalServiceFault ServiceUnavailable ServiceUnavailableException QueueDeletedRecently',
  ),
  ...pairs(TIMEOUT, 'ETIMEDOUT TimeoutError RequestTimeout RequestTimeoutException'),
  ...pairs(
    CREDENTIALS,
    'CredentialsProviderError TokenProviderError ExpiredToken ExpiredTokenException UnrecognizedClientException InvalidClientTokenId InvalidSignatureException SignatureDoesNotMatch IncompleteSignature IncompleteSignatureException MissingAuthenticationToken MissingAuthenticationTokenException InvalidSecurity RequestExpired AuthFailure',
  ),
  ...pairs(
    ACCESS_DENIED,
    'AccessDenied AccessDeniedException NotAuthorized UnauthorizedOperation OptInRequired ForbiddenException UnauthorizedException KmsAccessDenied KmsDisabled KmsInvalidKeyUsage KmsInvalidState KmsNotFound KmsOptInRequired',
  ),
  ...pairs(ENDPOINT, 'UnknownOperationException InvalidAction'),
  ...pairs(PROXY, 'PROXY_UNREACHABLE'),
  ...pairs(PROXY_REFUSED, 'PROXY_REFUSED'),
  ...pairs(TOO_LARGE, 'BatchRequestTooLong RequestEntityTooLarge RequestTooLarge'),
]);

/** undici's code → the code that Node's own sockets have for it. */
const OF_SOCKETS: ReadonlyMap<string, string> = new Map([
  ['UND_ERR_SOCKET', 'ECONNRESET'],
  ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'],
]);

const MISSING: Readonly<Record<AwsService, ReadonlyMap<string, Verdict>>> = {
  eventbridge: new Map(
    pairs({ code: 'bus_missing', kind: 'systemic' }, 'ResourceNotFoundException'),
  ),
  sqs: new Map(
    pairs(
      { code: 'queue_missing', kind: 'systemic' },
      'QueueDoesNotExist NonExistentQueue InvalidAddress',
    ),
  ),
  schemas: new Map(pairs({ code: 'schema_missing', kind: 'systemic' }, 'NotFoundException')),
  cloudwatch: new Map(),
  dynamodb: new Map(
    pairs({ code: 'table_missing', kind: 'systemic' }, 'ResourceNotFoundException'),
  ),
};

const TITLES: Readonly<Record<AwsService, string>> = {
  eventbridge: 'EventBridge',
  sqs: 'SQS',
  schemas: 'The Schema Registry',
  cloudwatch: 'CloudWatch',
  dynamodb: 'DynamoDB',
};

/** What the SDK throws, as far as it can be relied on. */
interface Facts {
  /** Error codes, most reliable first (the SDK calls a reset `TimeoutError`), without a namespace. */
  readonly names: readonly string[];
  readonly message: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfter: string | undefined;
  readonly attempts: number | undefined;
  /** Our clock is wrong by minutes; the SDK allows for it from the next call on. */
  readonly clockCorrected: boolean;
}

/**
 * Whatever an SDK client threw, as an UpstreamError: `<service>_throttled`, `_unavailable`,
 * `_timeout` (retry), `_proxy` (retry, or systemic where it refuses us), `_credentials`, `_access_denied`, `_endpoint`, `_certificate`,
 * `_bus_missing`, `_queue_missing`, `_schema_missing`, `_table_missing` (systemic), `_refused`, `_too_large`
 * (reject).
 *
 * Decided by AWS' error code and the HTTP status; the names of the SDK's errors are unreliable
 * (`Unknown`, or `SyntaxError` for a proxy's page). An answer that is no AWS answer never
 * condemns an event: 5xx and the like are repeated, 4xx are a matter of the way to AWS.
 */
export function awsFailure(error: unknown, call: AwsCall): UpstreamError {
  const facts = factsOf(error);
  const verdict = judge(facts, call.service);
  const permission = /not authorized to perform: ([\w-]+:[\w*]+)/.exec(facts.message)?.[1];
  const status = facts.status === undefined ? '' : ` (HTTP ${facts.status})`;
  return new UpstreamError(
    `${TITLES[call.service]} ${call.operation} failed for ${call.target}: ${describe(facts, verdict)}${status}${advice(verdict, permission)}`,
    {
      service: call.service,
      code: `${call.service}_${verdict.code}`,
      kind: verdict.kind,
      status: facts.status,
      correlationId: facts.requestId,
      retryAfterMs: parseRetryAfter(facts.retryAfter, Date.now()),
      missingPermission: permission,
      throttled: verdict === THROTTLED,
      timedOut: verdict === TIMEOUT,
      tries: facts.attempts,
      // An answer's error carries the whole answer, even the canonical request with its token.
      cause: facts.status === undefined ? error : undefined,
    },
  );
}

function judge(facts: Facts, service: AwsService): Verdict {
  for (const name of facts.names) {
    const verdict = MISSING[service].get(name) ?? BY_CODE.get(name);
    if (verdict === CREDENTIALS && facts.clockCorrected) return UNAVAILABLE;
    if (verdict !== undefined) return verdict;
  }
  const { status } = facts;
  if (status === undefined) {
    if (facts.names.some(isCertificateCode)) return CERTIFICATE;
    return facts.message === 'Region is missing' ? ENDPOINT : UNAVAILABLE;
  }
  if (status === 429) return THROTTLED;
  if (status === 408) return TIMEOUT;
  if (status === 401 || status === 403) return ACCESS_DENIED;
  if (status < 400 || status >= 500) return UNAVAILABLE;
  if (status === 413) return TOO_LARGE;
  // Every refusal of AWS has a request id and a code; what lacks one came from a proxy.
  if (!facts.names.some(isCodeOfAws) || facts.requestId === undefined) return ENDPOINT;
  return /over the limit|too long|must be shorter than/i.test(facts.message) ? TOO_LARGE : REFUSED;
}

/** No name that the SDK gives to an answer which has none. */
function isCodeOfAws(name: string): boolean {
  return !/^(?:Unknown|UnknownError|SyntaxError|Error)$/.test(name);
}

/** The SDK's own sentences are for programmers, and some name its options; AWS' are for operators. */
function describe(facts: Facts, verdict: Verdict): string {
  const name = facts.names[0] ?? 'unknown error';
  if (verdict === CREDENTIALS) {
    // AWS repeats the canonical request here, with its session token.
    return facts.status === undefined ? credentialsProblem(facts.message) : name;
  }
  if (verdict === CERTIFICATE) return `the certificate of the other side is not trusted (${name})`;
  if (facts.status !== undefined && !facts.names.some(isCodeOfAws))
    return 'an answer without a code';
  if (facts.message === 'Region is missing') return 'no region is set';
  if (verdict.code === PROXY.code) return facts.message;
  const said = facts.message.replace(/\s*(?:^UnknownError$|Deserialization error: to see.*)/s, '');
  const text = cutText(said.replaceAll(/\s+/g, ' ').trim(), 300);
  return text === '' || text === name ? name : `${name}: ${text}`;
}

/** What a credentials provider of the SDK threw, in words of ours. */
function credentialsProblem(message: string): string {
  if (/\bsso\b|\baws login\b|Token is expired/i.test(message)) {
    return 'the sign-in session of the AWS profile has expired or is not complete';
  }
  if (/\bprofile\b/i.test(message))
    return 'the AWS profile is not there, or has none that can be used';
  if (/load token/i.test(message)) return 'the web identity token cannot be read';
  if (/metadata|HTTP credential provider|Server responded/i.test(message)) {
    return 'the metadata service of the container or machine gave none';
  }
  return 'there are none: neither in the environment nor in the shared files (by AWS_PROFILE), and no web identity, container or machine has any';
}

function advice(verdict: Verdict, permission: string | undefined): string {
  if (verdict.code === 'queue_missing') {
    return '. Check region, account and name in its URL (a queue of another account has to let this role in by its own policy)';
  }
  switch (verdict) {
    case CREDENTIALS:
      return '. Check the AWS credentials of this process: missing, expired or wrong';
    case ACCESS_DENIED:
      return permission === undefined
        ? '. Check what the role of this process may do'
        : `. Grant ${permission} to the role of this process`;
    case CERTIFICATE:
      return '. Name its authority in AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS (a file of PEM certificates), or mend AWS_ENDPOINT_URL, if the address is not the one that the certificate is for';
    case PROXY:
    case PROXY_REFUSED:
      return '. Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and what the proxy lets through';
    case ENDPOINT:
      return '. Check AWS_REGION, AWS_ENDPOINT_URL and proxies on the way: this was no answer of AWS';
    default:
      return '';
  }
}

function factsOf(error: unknown): Facts {
  const source = record(error);
  const metadata = record(source['$metadata']);
  const response = record(source['$response']);
  const names = [source['Code'], source['code'], source['name']]
    .filter((name) => typeof name === 'string' && name !== '')
    .map((name) => bareName(String(name)))
    .map((name) => OF_SOCKETS.get(name) ?? name);
  return {
    names: [...new Set(names)],
    message: error instanceof Error ? error.message : String(error),
    status: optional(metadata['httpStatusCode'] ?? response['statusCode'], 'number'),
    requestId: optional(metadata['requestId'], 'string'),
    retryAfter: optional(record(response['headers'])['retry-after'], 'string'),
    attempts: optional(metadata['attempts'], 'number'),
    clockCorrected: metadata['clockSkewCorrected'] === true,
  };
}

/** Of `aws.protocols#Name`, `AWS.SimpleQueueService.Name` and `Name:http://…`. */
function bareName(code: string): string {
  return code.replace(/[,:].*$/s, '').replace(/^.*[#.]/s, '');
}

function optional(value: unknown, type: 'number'): number | undefined;
function optional(value: unknown, type: 'string'): string | undefined;
function optional(value: unknown, type: 'number' | 'string'): unknown {
  return typeof value === type ? value : undefined;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function pairs(verdict: Verdict, names: string): [string, Verdict][] {
  return names.split(' ').map((name) => [name, verdict]);
}
