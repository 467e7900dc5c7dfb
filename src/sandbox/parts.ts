import type { Cloud } from './cloud.ts';
import type { Faults } from './faults.ts';
import type { Conversations } from './genesys/conversations.ts';
import type { Organisation } from './genesys/definitions.ts';
import type { EventStream } from './genesys/event-stream.ts';
import type { RateLimit } from './genesys/rate-limit.ts';
import type { Records } from './genesys/records.ts';
import type { Tokens } from './genesys/tokens.ts';
import type { Traffic } from './genesys/traffic.ts';
import type { Platform } from './platform/platform.ts';
import type { RequestLog } from './request-log.ts';

/** The parts of a sandbox, for tests in the same process and for `/_sandbox/`. */
export interface SandboxParts {
  readonly faults: Faults;
  readonly requests: RequestLog;
  readonly tokens: Tokens;
  readonly rateLimit: RateLimit;
  /** Permissions that nobody has; add and delete while it runs. */
  readonly denied: Set<string>;
  /** Organisation units and attribute definitions. */
  readonly organisation: Organisation;
  /** What the batch upsert wrote: `records.stored.get('T1001')`. */
  readonly records: Records;
  readonly conversations: Conversations;
  /** Subscriptions, and what was sent to whom. */
  readonly stream: EventStream;
  readonly traffic: Traffic;
  /** Event bus, queues, metrics and schemas. */
  readonly cloud: Cloud;
  /** With `api: 'platform'` in place of all other parts of Genesys. */
  readonly platform: Platform;
  /** Forgets what came in and every fault; definitions, tokens and subscriptions stay. */
  reset(): void;
}
