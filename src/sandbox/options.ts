import type { Scope } from './genesys/tokens.ts';

/** Everything that can be said about a sandbox; all of it is optional. */
export interface SandboxOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Which API of Genesys it is. Default `reference`. */
  readonly api?: 'reference' | 'platform';
  /** The same seed gives the same conversations, the same kinds of events and the same draws of fault rates. */
  readonly seed?: number;

  /** Life of a token. Default 3600. */
  readonly tokenLifeSeconds?: number;
  /** Kind of the key pair behind the JWT-bearer credentials, made at start. Default `ec`. */
  readonly keyType?: 'ec' | 'rsa';
  /** What each client has been granted. Default: everything, to both. */
  readonly scopes?: {
    readonly jwtBearer?: readonly Scope[];
    readonly clientCredentials?: readonly Scope[];
  };
  /** Permissions that nobody has, for example `customattributes:write`. */
  readonly deniedPermissions?: readonly string[];
  /** Genesys requests per window; 0, the default, is no limit. */
  readonly rateLimitPerMinute?: number;
  /** The window's length. Default 60,000: a minute. */
  readonly rateLimitWindowMs?: number;
  /** Real time of a second that the limit speaks of. Default 1000. */
  readonly rateLimitSecondMs?: number;

  /** A larger batch is refused with 413. Default 512,000. */
  readonly maxBatchBytes?: number;
  /** More entities are refused with 400. Default 1000. */
  readonly maxBatchEntities?: number;
  /** Records kept to look at; then the oldest go. Default 200,000. */
  readonly keepRecords?: number;
  /** Batches are answered entity by entity also when all were written. Default false. */
  readonly alwaysResults?: boolean;
  /** Refuse entities with attributes that are defined nowhere. Default false. */
  readonly checkAttributes?: boolean;
  /** Conversations in 30 days, up to some millions. Default 20,000. */
  readonly conversations?: number;

  /** Interactions per second from the start; `Infinity` is as fast as they are read. Default 0. */
  readonly traffic?: number;
  /** Share of malformed ones among them, 0 to 1. Default 0.02. */
  readonly malformedShare?: number;
  /** Share of well-formed ones that do not match the default filter, 0 to 1. Default: as they come, about a half. */
  readonly otherShare?: number;
  /** Share of lines that are an array of two to five events, 0 to 1. Default 0.1. */
  readonly arrayShare?: number;
  /** Share of the writes that are cut in two at any byte, 0 to 1. Default 0.3. */
  readonly awkwardShare?: number;
  /** Time between the stream's blank lines. Default 10,000. */
  readonly keepAliveMs?: number;
  /** Events kept for a subscription while nobody reads it; 0 forgets them. Default 10,000. */
  readonly bufferEvents?: number;
  /** So many of the last events come again after a reconnect. Default 0. */
  readonly duplicatesAfterReconnect?: number;
  /** Ids of sent events remembered per expectation, 16 bytes each. Default 1,000,000. */
  readonly keepSentIds?: number;

  /** Bus that the environment names; it exists. Default `interaction-bridge`. */
  readonly busName?: string;
  /** Queue that the environment names. Default `interaction-bridge-dead-letters`. */
  readonly deadLetterQueue?: string;
  /** `false`: it is not there until `cloud.createQueue`. Default true. */
  readonly deadLetterQueueExists?: boolean;
  /** Events and messages of AWS kept to look at. Default 100,000. */
  readonly keepEvents?: number;
}
