import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import type { ServiceProcess } from '../../support/processes.ts';
import {
  type BufferQueue,
  createBufferQueue,
  metricOf,
  roleOf,
  startReplica,
} from '../../support/replicas.ts';
import { createScene, inJournal, type Scene } from './audit.ts';

export interface ReplicasOptions {
  readonly sandbox?: Readonly<Record<string, string>>;
  /** Of every process. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of Node, for publishers. */
  readonly publisherArguments?: readonly string[];
}

/** Several processes over one buffer, by name: `reader-0`, `publisher-1`, `api-0`. */
export interface Replicas {
  readonly scene: Scene;
  readonly queue: BufferQueue;
  /** Starts them at once, on the disks that they had; each is ready then. */
  start(...names: readonly string[]): Promise<void>;
  /** SIGKILL, and its disk is lost. */
  kill(name: string): Promise<void>;
  /** SIGTERM; its exit code. */
  stop(name: string): Promise<number | undefined>;
  /** Those of a role that run. */
  of(role: string): readonly (readonly [name: string, service: ServiceProcess])[];
  /** Holds that ended, as the publishers count them that were not killed. */
  holdsEnded(): Promise<number>;
  /**
   * How many duplicates those and PutEvents calls whose answer came too late can have made: a busy
   * machine has some.
   */
  explained(): Promise<number>;
  /** Events and letters on a reader's disk. */
  spilled(name: string): Promise<number>;
  /** How far a reader is behind the stream, in milliseconds. */
  lagMs(name: string): Promise<number>;
  /** Waits until buffer and disks are empty. */
  settled(): Promise<void>;
}

/** What a publisher holds comes back as soon when it is killed. */
/** Accepted by the bus and not yet deleted from the buffer when a publisher dies. */
export const CRASH_WINDOW = 200;
const HOLD_SECONDS = 5;

export async function createReplicas(
  context: TestContext,
  options: ReplicasOptions = {},
): Promise<Replicas> {
  const scene = await createScene(context, {
    SANDBOX_BUFFER_EVENTS: '1000000',
    ...options.sandbox,
  });
  const folder = mkdtempSync(join(tmpdir(), 'replicas-'));
  const running = new Map<string, ServiceProcess>();
  /** Of publishers that were stopped. */
  let endedBefore = 0;
  const queue = await createBufferQueue(scene.sandbox);
  context.onTestFinished(async () => {
    await Promise.all(Array.from(running.values(), (service) => service.stop('SIGKILL')));
    queue.close();
    rmSync(folder, { recursive: true });
  });

  function known(name: string): ServiceProcess {
    const service = running.get(name);
    if (service === undefined) throw new Error(`${name} does not run`);
    return service;
  }

  async function startOne(name: string): Promise<void> {
    const service = await startReplica(
      name,
      scene.sandbox,
      queue.url,
      {
        BUFFER_HOLD_SECONDS: String(HOLD_SECONDS),
        JOURNAL_PATH: join(folder, `${name}.db`),
        FINGERPRINT_PATH: ':memory:',
        ...options.settings,
      },
      roleOf(name) === 'publisher' ? options.publisherArguments : [],
    );
    running.set(name, service);
    const ended = once(service.child, 'exit').then(() => {
      running.delete(name);
      return 'ended';
    });
    const ready = service.until('/readyz');
    ready.catch(() => undefined);
    if ((await Promise.race([ready, ended])) === 'ended') {
      throw new Error(`${name} ended before it was ready`);
    }
  }

  const endedOf = (service: ServiceProcess) => metricOf(service, 'pipeline_holds_ended_total');

  async function holdsEnded(): Promise<number> {
    const counts = await Promise.all(of('publisher').map(([, service]) => endedOf(service)));
    return counts.reduce((sum, count) => sum + count, endedBefore);
  }

  const of = (role: string) => [...running].filter(([name]) => roleOf(name) === role);

  return {
    scene,
    queue,
    start: async (...names) => void (await Promise.all(names.map(startOne))),
    async kill(name) {
      await known(name).stop('SIGKILL');
      for (const suffix of ['', '-wal']) {
        rmSync(join(folder, `${name}.db${suffix}`), { force: true });
      }
    },
    async stop(name) {
      if (roleOf(name) === 'publisher') endedBefore += await endedOf(known(name));
      return known(name).stop();
    },
    of,
    holdsEnded,
    async explained() {
      const { counts } = await scene.sandbox.control.get<{
        counts: Record<string, Record<string, number>>;
      }>('/requests?limit=1');
      const unanswered = counts['aws.events.PutEvents']?.['aborted'] ?? 0;
      return (await holdsEnded()) + 10 * unanswered;
    },
    spilled: async (name) => (await inJournal(known(name))) ?? Number.NaN,
    async lagMs(name) {
      const answer = await known(name).until('/status');
      return ((await answer.json()) as { pipeline: { lagMs: number } }).pipeline.lagMs;
    },
    settled: () =>
      scene.settledBy(async () => {
        for (const [, service] of of('reader')) {
          if ((await inJournal(service)) !== 0) return false;
        }
        return (await queue.size()) === 0;
      }),
  };
}
