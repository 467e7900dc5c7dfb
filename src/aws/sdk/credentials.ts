import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { cutText } from '../../lib/cut-text.ts';
import type { Logger } from '../../lib/logger.ts';

export interface AwsCredentialsOptions {
  /** The chain is asked afresh at most this often, in milliseconds. Default 5000. */
  readonly restMs?: number | undefined;
  readonly now?: (() => number) | undefined;
  /** Gets what the SDK would write to the console. */
  readonly log?: Pick<Logger, 'warn'> | undefined;
}

/**
 * The credentials of this process, by the SDK's default chain, for every client: the chain is asked
 * once, and again before they expire. What AWS refuses before that (rotated in the shared file,
 * revoked) is looked up anew, because keys without an expiry are never looked up again by the SDK.
 */
export interface AwsCredentials {
  /** For the option `credentials` of SDK clients. */
  readonly provide: ReturnType<typeof defaultProvider>;
  /** Counts the look-ups: to say which one gave what a call was signed with. */
  readonly generation: number;
  /**
   * AWS refused what this generation gave. Whether there is a newer one, with which the call may
   * be made again.
   */
  renew(generation: number): boolean;
}

export function createCredentials(options: AwsCredentialsOptions = {}): AwsCredentials {
  const { restMs = 5000, now = () => performance.now(), log } = options;
  const nothing = () => undefined;
  const warn = (text: unknown) =>
    log?.warn({ remark: inOurWords(String(text)) }, 'AWS credentials');
  const logger = { debug: nothing, info: nothing, warn, error: nothing };
  // Otherwise the SDK reads the shared files once in the life of the process.
  const ask = () => defaultProvider({ ignoreCache: true, logger });
  let provider = ask();
  let generation = 0;
  let renewedAtMs = -Infinity;

  return {
    // The SDK would keep what has no expiry for good, were it not told that we do.
    provide: Object.assign((asking?: Parameters<typeof provider>[0]) => provider(asking), {
      memoized: true,
    }) as AwsCredentials['provide'],
    get generation() {
      return generation;
    },
    renew(refused) {
      if (refused === generation && now() - renewedAtMs >= restMs) {
        provider = ask();
        generation += 1;
        renewedAtMs = now();
      }
      return refused !== generation;
    },
  };
}

function inOurWords(text: string): string {
  if (text.includes('Multiple credential sources')) {
    return 'AWS_PROFILE is set, and so are keys in the environment: the profile is used';
  }
  return cutText(text.replaceAll(/\s+/g, ' '), 300);
}
