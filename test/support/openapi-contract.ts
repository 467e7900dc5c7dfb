import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

type Json = Readonly<Record<string, unknown>>;

interface MediaType {
  readonly schema?: unknown;
  readonly example?: unknown;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Record<string, MediaType>;
  };
  readonly responses: Readonly<Record<string, Json>>;
}

export interface ContractOptions {
  readonly baseUrl: string;
  /** The OpenAPI 3.1 document that the service publishes. */
  readonly document: Json;
  /** Sent with every request, for example an API key. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Values of path parameters by operation and name. Default `unknown`. */
  readonly pathParameters?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Queries by operation, for those that need one. */
  readonly queries?: Readonly<Record<string, string>>;
  /** Bodies of the streamed media types by media type. Default: one empty line. */
  readonly streams?: Readonly<Record<string, string>>;
}

export interface ContractCall {
  readonly operationId: string;
  /** What was tried: the example, a streamed body, an unknown parameter, … */
  readonly attempt: string;
  readonly status: number;
  /** What the answer has that the document does not; empty when they agree. */
  readonly faults: readonly string[];
}

/**
 * Calls every operation of the document: with its example, with each streamed media type, and in
 * the ways that must be refused. Checks status, media type and body of each answer against it.
 */
export async function callEveryOperation(options: ContractOptions): Promise<ContractCall[]> {
  const check = createAnswerCheck(options.document);
  const calls: ContractCall[] = [];
  const paths = options.document['paths'] as Record<string, Record<string, Operation>>;
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      for (const { attempt, request, search } of attemptsOf(operation, options)) {
        const query = search ?? options.queries?.[operation.operationId] ?? '';
        const url = `${options.baseUrl}${fillPath(path, operation, options)}${query}`;
        const answer = await fetch(url, {
          ...request,
          method: method.toUpperCase(),
          headers: { ...options.headers, ...request.headers },
          signal: AbortSignal.timeout(10_000),
        });
        const faults = check(operation, answer, await answer.text());
        calls.push({ operationId: operation.operationId, attempt, status: answer.status, faults });
      }
    }
  }
  return calls;
}

interface Attempt {
  readonly attempt: string;
  readonly search?: string;
  readonly request: { readonly headers?: Record<string, string>; readonly body?: string };
}

function attemptsOf(operation: Operation, options: ContractOptions): Attempt[] {
  const content = operation.requestBody?.content ?? {};
  const attempts: Attempt[] = [];
  for (const [type, { example }] of Object.entries(content)) {
    const body = type === 'application/json' ? JSON.stringify(example) : streamOf(type, options);
    attempts.push({ attempt: type, request: { headers: { 'content-type': type }, body } });
  }
  if (operation.requestBody?.required !== true) attempts.push({ attempt: 'plain', request: {} });
  attempts.push({ attempt: 'unknown parameter', search: '?surely_unknown=1', request: {} });
  if (operation.requestBody !== undefined) {
    attempts.push(
      { attempt: 'no body', request: {} },
      {
        attempt: 'not JSON',
        request: { headers: { 'content-type': 'application/json' }, body: '{"' },
      },
      { attempt: 'wrong type', request: { headers: { 'content-type': 'x/y' }, body: 'z' } },
    );
  }
  return attempts;
}

function streamOf(type: string, options: ContractOptions): string {
  return options.streams?.[type] ?? '\n';
}

function fillPath(path: string, operation: Operation, options: ContractOptions): string {
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    encodeURIComponent(options.pathParameters?.[operation.operationId]?.[name] ?? 'unknown'),
  );
}

function createAnswerCheck(document: Json) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema({ $id: 'document:', ...document });
  const compiled = new Map<unknown, ValidateFunction>();

  function validatorOf(schema: unknown): ValidateFunction {
    let validate = compiled.get(schema);
    if (validate === undefined) {
      // References start at the document's root.
      validate = ajv.compile(rebase(schema) as object);
      compiled.set(schema, validate);
    }
    return validate;
  }

  return (operation: Operation, answer: Response, text: string): string[] => {
    const declared = operation.responses[answer.status];
    if (declared === undefined)
      return [`status ${answer.status} is not documented: ${text.slice(0, 300)}`];
    const response = resolve(document, declared);
    const content = (response['content'] ?? {}) as Record<string, MediaType>;
    const type = answer.headers.get('content-type')?.split(';', 1)[0] ?? '';
    if (Object.keys(content).length === 0) {
      return text === '' ? [] : [`status ${answer.status} has a body that is not documented`];
    }
    const mediaType = content[type];
    if (mediaType === undefined) return [`${answer.status} as "${type}" is not documented`];
    if (!/[/+]json$/.test(type) || mediaType.schema === undefined) return [];
    const validate = validatorOf(mediaType.schema);
    return validate(JSON.parse(text))
      ? []
      : [`${answer.status} ${ajv.errorsText(validate.errors)}: ${text.slice(0, 300)}`];
  };
}

function resolve(document: Json, part: Json): Json {
  const reference = part['$ref'];
  if (typeof reference !== 'string') return part;
  let found: unknown = document;
  for (const step of reference.slice(2).split('/')) found = (found as Json)[step];
  return found as Json;
}

function rebase(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' && value.startsWith('#')
      ? `document:${value}`
      : value,
  );
}
