import { type Failure, json, type Reply } from '../operation.ts';

/** Genesys' own code and words for a status, where a failure does not bring others. */
const STANDARD = new Map<number, readonly [code: string, message: string]>([
  [
    400,
    ['bad.request', 'The request could not be understood by the server due to malformed syntax.'],
  ],
  [401, ['bad.credentials', 'Invalid login credentials.']],
  [403, ['not.authorized', 'You are not authorized to perform the requested action.']],
  [404, ['not.found', 'The requested resource was not found.']],
  [405, ['method.not.allowed', 'The method is not allowed for this resource.']],
  [409, ['conflict', 'The resource already exists.']],
  [413, ['request.entity.too.large', 'The request is over the size limit.']],
  [415, ['unsupported.media.type', 'The content type is not supported.']],
  [429, ['too.many.requests', 'Rate limit exceeded the maximum.']],
  [500, ['internal.server.error', 'The server encountered an unexpected condition.']],
  [502, ['bad.gateway', 'An upstream server could not be reached.']],
  [503, ['service.unavailable', 'The service is currently unavailable.']],
  [504, ['gateway.timeout', 'The request timed out.']],
]);

/** An error body as Genesys writes it; `contextId` is the request's correlation id. */
export function genesysError(failure: Failure, contextId: string): Reply {
  const [code, message] = STANDARD.get(failure.status) ?? ['general.error', 'The request failed.'];
  const headers = failure.retryAfter === undefined ? {} : { 'retry-after': failure.retryAfter };
  return json(
    {
      message: failure.message ?? message,
      code: failure.code ?? code,
      status: failure.status,
      contextId,
      details: [],
      errors: [],
    },
    failure.status,
    headers,
  );
}

/** A failure that an operation throws and the service answers. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly failure: Failure;

  constructor(status: number, message?: string, code?: string) {
    super(message ?? `status ${status}`);
    this.failure = { status, message, code };
  }
}

/** The body as an object. @throws Refusal 400 */
export function parseObject(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refusal(400, 'The body is not JSON.', 'invalid.json');
  }
  if (!isObject(value)) {
    throw new Refusal(400, 'The body has to be a JSON object.', 'invalid.json');
  }
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
