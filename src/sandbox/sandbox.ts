import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { createAdminService } from './admin.ts';
import { createSandboxAws } from './aws/service.ts';
import { createFaults } from './faults.ts';
import { createConversations } from './genesys/conversations.ts';
import { createOrganisation } from './genesys/definitions.ts';
import { createEventStream } from './genesys/event-stream.ts';
import { createInteractions } from './genesys/interactions.ts';
import { createRateLimit } from './genesys/rate-limit.ts';
import { createRecords } from './genesys/records.ts';
import { createGenesysService } from './genesys/service.ts';
import { createTokens, SCOPES, type Tokens } from './genesys/tokens.ts';
import { createTraffic } from './genesys/traffic.ts';
import { startServer } from './http.ts';
import type { SandboxOptions } from './options.ts';
import type { SandboxParts } from './parts.ts';
import { createPlatform } from './platform/platform.ts';
import { createRandom } from './random.ts';
import { createRequestLog } from './request-log.ts';

export interface Sandbox extends SandboxParts {
  /** The one address of Genesys, AWS and `/_sandbox/`, without a slash at the end. */
  readonly url: string;
  /** Every setting that makes a service use this sandbox, credentials included. */
  readonly environment: Readonly<Record<string, string>>;
  /** Sends events (objects) and raw lines (texts) on every stream. */
  emit(events: readonly unknown[]): void;
  /** Closes everything at once, streams included. */
  stop(): Promise<void>;
}

const SUBJECT = 'service@sandbox.invalid';
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** Genesys and AWS look-alikes on one loopback port. Several may run in one process. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const seed = options.seed ?? 1;
  const keys = makeKeys(options.keyType);
  const secret = randomBytes(24).toString('base64url');

  const faults = createFaults({ random: createRandom(seed + 1) });
  const requests = createRequestLog();
  const tokens = tokensOf(options, keys.publicKey, secret);
  const rateLimit = createRateLimit({
    requestsPerWindow: options.rateLimitPerMinute ?? 0,
    windowMs: options.rateLimitWindowMs ?? 60_000,
    secondMs: options.rateLimitSecondMs ?? 1000,
  });
  const organisation = createOrganisation();
  const records = createRecords({
    maxBatchBytes: options.maxBatchBytes ?? 512_000,
    maxBatchEntities: options.maxBatchEntities ?? 1000,
    keepRecords: options.keepRecords ?? 200_000,
    alwaysResults: options.alwaysResults ?? false,
    isDefined:
      options.checkAttributes === true ? (name) => organisation.isDefined(name) : undefined,
  });
  const conversations = createConversations({ seed, perMonth: options.conversations ?? 20_000 });
  const interactions = createInteractions({
    seed: seed + 2,
    malformedShare: options.malformedShare ?? 0.02,
    otherShare: options.otherShare,
    arrayShare: options.arrayShare ?? 0.1,
  });
  const stream = createEventStream({
    faults,
    random: createRandom(seed + 3),
    keepAliveMs: options.keepAliveMs ?? 10_000,
    bufferEvents: options.bufferEvents ?? 10_000,
    duplicatesAfterReconnect: options.duplicatesAfterReconnect ?? 0,
    awkwardShare: options.awkwardShare ?? 0.3,
    keepSentIds: options.keepSentIds ?? 1_000_000,
  });
  const traffic = createTraffic({ stream, interactions });
  const busName = options.busName ?? 'interaction-bridge';
  const cloud = createSandboxAws({
    buses: [busName],
    deadLetterQueue: options.deadLetterQueue ?? 'interaction-bridge-dead-letters',
    deadLetterQueueExists: options.deadLetterQueueExists ?? true,
    ...(options.keepEvents === undefined ? {} : { keepEvents: options.keepEvents }),
  });
  const denied = new Set(options.deniedPermissions);
  const platform = createPlatform({
    secret,
    tokenLifeSeconds: options.tokenLifeSeconds ?? 86_399,
    requestsPerWindow: options.rateLimitPerMinute ?? 0,
    windowMs: options.rateLimitWindowMs ?? 60_000,
    denied,
  });

  const parts: SandboxParts = {
    faults,
    requests,
    tokens,
    rateLimit,
    denied,
    organisation,
    records,
    conversations,
    stream,
    traffic,
    cloud,
    platform,
    reset() {
      faults.clear();
      requests.reset();
      records.reset();
      stream.reset();
      cloud.reset();
    },
  };
  const genesys =
    options.api === 'platform' ? platform.services : [createGenesysService(parts), tokens.service];
  const services = [...genesys, cloud.service];
  const operations = services.flatMap((service) => service.operations);
  const server = await startServer({
    services: [...services, createAdminService(parts, operations)],
    faults,
    requests,
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    maxBodyBytes: MAX_BODY_BYTES,
  });
  traffic.set(options.traffic ?? 0);

  return {
    ...parts,
    url: server.url,
    environment: {
      // Of a service for trial: where real credentials are given, nobody decides this for you.
      AUTH_MODE: 'none',
      ...(options.api === 'platform'
        ? platform.environment(server.url)
        : referenceEnvironment(server.url, keys.privateKey, secret)),
      EVENTBUS_NAME: busName,
      ...cloud.environment(server.url),
    },
    emit: (events) => stream.emit(events),
    async stop() {
      traffic.stop();
      stream.stop();
      await server.close();
    },
  };
}

function tokensOf(options: SandboxOptions, publicKey: KeyObject, secret: string): Tokens {
  return createTokens({
    tokenLifeSeconds: options.tokenLifeSeconds ?? 3600,
    jwtBearer: {
      clientId: 'sandbox-jwt-client',
      subject: SUBJECT,
      publicKey,
      scopes: options.scopes?.jwtBearer ?? SCOPES,
    },
    clientCredentials: {
      clientId: 'sandbox-client',
      secret,
      scopes: options.scopes?.clientCredentials ?? SCOPES,
    },
  });
}

function referenceEnvironment(url: string, privateKey: KeyObject, secret: string) {
  return {
    GENESYS_BASE_URL: url,
    OAUTH_CLIENT_ID: 'sandbox-jwt-client',
    OAUTH_SUBJECT: SUBJECT,
    OAUTH_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    GENESYS_CLIENT_ID: 'sandbox-client',
    GENESYS_CLIENT_SECRET: secret,
  };
}

function makeKeys(type: SandboxOptions['keyType']) {
  return type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' });
}
