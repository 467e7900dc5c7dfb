import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type SandboxProcess,
  type ServiceProcess,
  startSandboxProcess,
} from '../../test/support/processes.ts';
import { type BufferQueue, createBufferQueue, startReplica } from '../../test/support/replicas.ts';

/** A killed publisher's events come back so late. */
export const HOLD_SECONDS = 5;
/** Of Linux' clock in /proc/<pid>/stat. */
const TICKS_PER_SECOND = 100;

export interface Stage {
  readonly sandbox: SandboxProcess;
  readonly queue: BufferQueue;
  readonly start: (
    name: string,
    settings?: Readonly<Record<string, string>>,
  ) => Promise<ServiceProcess>;
  readonly setTraffic: (perSecond: number | 'max') => Promise<void>;
  /** Events that the bus has accepted so far. */
  readonly accepted: () => Promise<number>;
}

/** A sandbox with a buffer; all that `use` started is ended. */
export async function onStage<T>(use: (stage: Stage) => Promise<T>): Promise<T> {
  const sandbox = await startSandboxProcess({
    SANDBOX_RATE: '0',
    SANDBOX_MALFORMED_SHARE: '0',
    SANDBOX_OTHER_SHARE: '0',
    SANDBOX_KEEP_EVENTS: '500000',
  });
  const queue = await createBufferQueue(sandbox);
  const services: ServiceProcess[] = [];
  try {
    return await use({
      sandbox,
      queue,
      async start(name, settings = {}) {
        const service = await startReplica(name, sandbox, queue.url, {
          BUFFER_HOLD_SECONDS: String(HOLD_SECONDS),
          ...settings,
        });
        services.push(service);
        await service.until('/readyz');
        return service;
      },
      setTraffic: async (perSecond) => void (await sandbox.control.post('/traffic', { perSecond })),
      async accepted() {
        const { count } = await sandbox.control.get<{ count: number }>('/events?limit=1');
        return count;
      },
    });
  } finally {
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    queue.close();
    await sandbox.stop();
  }
}

/** Leaves so many events in the buffer, and nobody who adds to them. */
export async function fill({ start, setTraffic, queue }: Stage, events: number): Promise<void> {
  const reader = await start('reader-9');
  await setTraffic('max');
  while ((await queue.size()) < events) await sleep(100);
  await setTraffic(0);
  await reader.stop('SIGKILL');
}

/** User and system time so far, in milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name before it may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

export async function sqsRequests({ control }: SandboxProcess): Promise<Record<string, number>> {
  const { counts } = await control.get<{ counts: Record<string, Record<string, number>> }>(
    '/requests?limit=1',
  );
  const prefix = 'aws.sqs.';
  return Object.fromEntries(
    Object.entries(counts)
      .filter(([operation]) => operation.startsWith(prefix))
      .map(([operation, byStatus]) => [
        operation.slice(prefix.length),
        Object.values(byStatus).reduce((sum, calls) => sum + calls, 0),
      ]),
  );
}
