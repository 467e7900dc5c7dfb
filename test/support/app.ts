// An app on a free port against a sandbox on another one, both in this process.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, createApp } from '../../src/app.ts';
import { createLogger } from '../../src/lib/logger.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { type Environment, loadConfig } from '../../src/settings/load-config.ts';

export interface TestApp {
  readonly url: string;
  readonly app: App;
  /** Log lines so far, parsed. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  get(path: string, init?: RequestInit): Promise<Response>;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Waits until /readyz answers 200. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

/** An app against addresses that `environment` names; its files live in a folder of its own. */
export async function startApp(environment: Environment): Promise<TestApp> {
  const folder = await mkdtemp(join(tmpdir(), 'bridge-test-'));
  const log: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  for (const [name, value] of Object.entries(environment)) {
    // The AWS SDK reads its credentials from nowhere else.
    if (/^AWS_(?:ACCESS|SECRET)/.test(name)) process.env[name] = value;
  }
  const config = loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'debug',
    JOURNAL_PATH: join(folder, 'journal.db'),
    FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
    GENESYS_RETRY_BASE_MS: '5',
    GENESYS_RETRY_MAX_MS: '50',
    ...environment,
  });
  const app = createApp(config, {
    log: createLogger({ level: config.LOG_LEVEL, destination }),
    output: { droppedLines: 0 },
  });
  const stop = async () => {
    await app.stop();
    await rm(folder, { recursive: true, force: true });
  };
  let url: string;
  try {
    url = `http://127.0.0.1:${(await app.start()).port}`;
  } catch (error) {
    await stop();
    throw error;
  }
  const get = (path: string, init?: RequestInit) => fetch(url + path, init);
  return {
    url,
    app,
    log,
    get,
    post: (path, body, headers = {}) =>
      get(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async ready() {
      await until(async () => (await get('/readyz')).status === 200, 'ready');
    },
    stop,
  };
}

/** A sandbox, and an app against it. */
export async function startAppWithSandbox(
  options: SandboxOptions = {},
  environment: Environment = {},
): Promise<TestApp & { readonly sandbox: Sandbox }> {
  const sandbox = await startSandbox(options);
  try {
    const app = await startApp({ ...sandbox.environment, ...environment });
    return {
      ...app,
      sandbox,
      async stop() {
        await app.stop();
        await sandbox.stop();
      },
    };
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}

/** Waits for a condition; fails with `what` after ten seconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for: ${what}`);
    await sleep(10);
  }
}
