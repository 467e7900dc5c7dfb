import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { banner } from './banner.ts';
import { startSandbox } from './sandbox.ts';

export interface Trial {
  /** What the environment has to say instead, so that the service uses the sandbox. */
  readonly environment: Readonly<Record<string, string>>;
  /** For a person at a terminal, once the service listens on `port`. */
  banner(port: number): string;
  stop(): Promise<void>;
}

/** Interactions per second: enough to see numbers grow, little enough to read along. */
const TRAFFIC_PER_SECOND = 5;
/** A trial may run for days. */
const KEPT_EVENTS = 10_000;

/**
 * The sandbox for `npm start` without credentials. The journal of a trial lives and dies with it:
 * its events must never wait for a real bus.
 */
export async function startForTrial(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Trial> {
  const isSet = (name: string) => (environment[name] ?? '') !== '';
  const hasOwnAws = isSet('AWS_ENDPOINT_URL') || isSet('DLQ_QUEUE_URL');
  const folder = mkdtempSync(join(tmpdir(), 'interaction-bridge-'));
  const sandbox = await startSandbox({
    traffic: TRAFFIC_PER_SECOND,
    keepEvents: KEPT_EVENTS,
    checkAttributes: true,
  });

  const settings: Record<string, string> = {
    JOURNAL_PATH: join(folder, 'journal.db'),
    FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
    ...sandbox.environment,
    // A profile would win over the sandbox's keys, and it belongs to a real account.
    AWS_PROFILE: '',
  };
  if (hasOwnAws) {
    for (const name of Object.keys(settings)) {
      if (/^(?:AWS_|EVENTBUS_|DLQ_)/.test(name)) delete settings[name];
    }
  }
  return {
    environment: settings,
    banner: (port) => banner({ servicePort: port, sandboxUrl: sandbox.url }),
    async stop() {
      await sandbox.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
