import { AwsSdkSigV4Signer } from '@aws-sdk/core/httpAuthSchemes';
import {
  type EndpointParameterInstructionsSupplier,
  getEndpointFromInstructions,
} from '@smithy/core/endpoints';
import { HttpRequest, HttpResponse, loadJsonRpcErrorCode } from '@smithy/core/protocols';
import type { AwsCredentialIdentity } from '@smithy/types';
import type { Dispatcher } from 'undici';
import { exchange } from './exchange.ts';
import { createKeptSigner } from './kept-signer.ts';

type EndpointConfig = Parameters<typeof getEndpointFromInstructions>[2];

/** What an SDK client has resolved, of which a call past its middleware makes use. */
export interface DirectClient {
  readonly config: EndpointConfig & {
    readonly region: () => Promise<string>;
    readonly credentials: () => Promise<AwsCredentialIdentity>;
    readonly systemClockOffset: number;
    readonly disableClockSkewCorrection?: () => Promise<boolean>;
  };
}

export interface DirectCallOptions {
  readonly client: DirectClient;
  /** For the rules by which the SDK finds the endpoint. */
  readonly command: EndpointParameterInstructionsSupplier;
  /** The service's name in signatures, for example `events`. */
  readonly signingName: string;
  /** `X-Amz-Target` of AWS' JSON 1.1 protocol, for example `AWSEvents.PutEvents`. */
  readonly target: string;
  readonly dispatcher: Dispatcher;
}

/** The client's signer asks for the credentials by itself. */
const NOT_READ: AwsCredentialIdentity = { accessKeyId: '', secretAccessKey: '' };

/**
 * One operation of a service with AWS' JSON protocol, past the SDK's middleware, which takes four
 * fifths of such a call. Endpoint, region, credentials and the correction of a wrong clock are the
 * SDK's own, of the given client. It makes one try.
 *
 * @returns a function from the request's body, which is JSON, to the answer's. It throws what the
 * SDK would for an answer that is no success, as far as `awsFailure` reads it.
 */
export function createDirectCall(options: DirectCallOptions) {
  const { client, command, signingName, target, dispatcher } = options;
  const scheme = new AwsSdkSigV4Signer();
  let way: ReturnType<typeof findWay> | undefined;

  /** Once: neither an endpoint nor a region changes in the life of a client. */
  async function findWay() {
    const endpoint = await getEndpointFromInstructions({}, command, client.config);
    const region = await client.config.region();
    const credentials = client.config.credentials;
    const signer = createKeptSigner({ credentials, region, service: signingName });
    const { systemClockOffset, disableClockSkewCorrection } = client.config;
    const config = { systemClockOffset, disableClockSkewCorrection, signer: async () => signer };
    return { url: endpoint.url, origin: endpoint.url.origin, config };
  }

  return async (body: string, signal: AbortSignal): Promise<unknown> => {
    way ??= findWay().catch((error: unknown) => {
      way = undefined;
      throw error;
    });
    const { url, origin, config } = await way;
    const signing = { config, context: {}, signingName };
    const unsigned = new HttpRequest({
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      method: 'POST',
      headers: {
        host: url.host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': target,
        'user-agent': 'interaction-bridge',
      },
      body,
    });
    const { path, headers } = await scheme.sign(unsigned, NOT_READ, signing);
    const { text, ...answer } = await exchange(
      dispatcher,
      { origin, path, method: 'POST', headers, body },
      signal,
    );
    const response = new HttpResponse(answer);
    const content = parsed(text);
    if (response.statusCode < 300 && content !== undefined) {
      scheme.successHandler(response, signing);
      return content;
    }
    // Learns from the answer what time it is, and always throws.
    return scheme.errorHandler(signing)(failureOf(response, content));
  };
}

function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failureOf(response: HttpResponse, content: unknown): Error {
  const { statusCode, headers } = response;
  const members = (content ?? {}) as Readonly<Record<string, unknown>>;
  const { Code, code, message, Message } = members;
  const text = message || Message;
  return Object.assign(new Error(typeof text === 'string' ? text : ''), {
    // What is no JSON is no answer of AWS, whatever its headers say.
    name:
      (content === undefined ? undefined : loadJsonRpcErrorCode(response, content)) ?? 'Unknown',
    Code,
    code,
    $metadata: {
      httpStatusCode: statusCode,
      requestId: headers['x-amzn-requestid'],
      attempts: 1,
    },
    $response: response,
  });
}
