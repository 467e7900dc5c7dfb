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
 * The sandbox for `npm start` without credentials. Its made-up events must never reach a real bus:
 * of the environment's AWS settings it keeps only those of an emulator (`AWS_ENDPOINT_URL`), and
 * the journal lives and dies with the trial.
 */
export async function startForTrial(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Trial> {
  const isPlatform = [environment['SANDBOX_API'], environment['GENESYS_API']].some(
    (api) => api?.trim() === 'platform',
  );
  const hasEmulator = (environment['AWS_ENDPOINT_URL']?.trim() ?? '') !== '';
  const folder = mkdtempSync(join(tmpdir(), 'interaction-bridge-'));
  const sandbox = await startSandbox({
    api: isPlatform ? 'platform' : 'reference',
    traffic: TRAFFIC_PER_SECOND,
    keepEvents: KEPT_EVENTS,
    checkAttributes: true,
  });

  const settings: Record<string, string> = {
    JOURNAL_PATH: join(folder, 'journal.db'),
    FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
    ...sandbox.environment,
  };
  if ((environment['AUTH_MODE']?.trim() ?? '') !== '') delete settings['AUTH_MODE'];
  if (hasEmulator) {
    for (const name of Object.keys(settings)) {
      if (/^(?:AWS_|EVENTBUS_|DLQ_)/.test(name)) delete settings[name];
    }
  } else {
    // What would win over the sandbox's address and keys belongs to a real account.
    for (const name of Object.keys(environment)) {
      if (/^AWS_(?:ENDPOINT_URL_|PROFILE$|SESSION_TOKEN$)/.test(name)) settings[name] = '';
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
