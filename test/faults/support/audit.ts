import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'vitest';
import { readJournal } from '../../../bench/soak/journal-copy.ts';
import { eventsOfLetters } from '../../../bench/soak/letters.ts';
import type { FaultRule } from '../../../src/sandbox/faults.ts';
import {
  type SandboxProcess,
  type ServiceProcess,
  startProcess,
  startSandboxProcess,
} from '../../support/processes.ts';

/** A row of the table at the end of the run: what a fault did. */
export interface FaultFacts {
  readonly fault: string;
  /** From the beginning of the fault to its end, in milliseconds. */
  readonly durationMs: number;
  /** From the end of the fault until every event taken was settled, in milliseconds. */
  readonly recoveryMs: number;
  readonly sent: number;
  readonly taken: number;
  readonly published: number;
  readonly deadLettered: number;
  readonly duplicates: number;
  readonly lost: number;
}

declare module 'vitest' {
  interface TaskMeta {
    fault?: FaultFacts;
  }
}

/** What became of the events. */
export interface Audit {
  readonly sent: number;
  readonly taken: number;
  readonly published: number;
  /** Different ones in the queue, lines that were no events left out. */
  readonly deadLettered: number;
  /** Accepted by the bus more than once. */
  readonly duplicates: number;
  /** Taken, and neither on the bus nor in the dead-letter queue. */
  readonly lost: readonly string[];
  /** On the bus, but never sent. */
  readonly invented: number;
}

export interface Scene {
  readonly sandbox: SandboxProcess;
  readonly journalPath: string;
  /** Starts the service; it is ended after the test. */
  start(settings?: Readonly<Record<string, string>>): Promise<ServiceProcess>;
  /** The fault is there from now on; `rule`: one of the sandbox's. */
  faultBegins(rule?: FaultRule): Promise<void>;
  faultEnds(): Promise<void>;
  setTraffic(perSecond: number | 'max'): Promise<void>;
  /** Remembers which events the journal says were taken; the service must not run. */
  noteTaken(): void;
  /** The same of all that was sent: one of several readers is there at any time. */
  noteSent(): Promise<void>;
  /** Waits until every event and letter is settled. */
  settled(service: ServiceProcess): Promise<void>;
  /** Waits until it is so for a while. */
  settledBy(isSettled: () => Promise<boolean>): Promise<void>;
  /** Compares what was taken with what the bus and the queue have, for the table too. */
  audit(fault: string): Promise<Audit>;
}

interface Status {
  readonly worker: { readonly journal: { readonly events: number; readonly letters: number } };
}

/** Events and letters in the journal of a reader; `undefined` when it does not say. */
export async function inJournal({ url }: ServiceProcess): Promise<number | undefined> {
  const answer = await fetch(`${url}/status`).catch(() => undefined);
  if (answer?.status !== 200) return undefined;
  const { journal } = ((await answer.json()) as Status).worker;
  return journal.events + journal.letters;
}

/**
 * A sandbox and the service as processes of their own, and an audit of what became of the events.
 * Tests that run side by side have a scene each.
 */
export async function createScene(
  { onTestFinished, task }: TestContext,
  sandboxOptions: Readonly<Record<string, string>> = {},
): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'));
  const sandbox = await startSandboxProcess({
    SANDBOX_RATE: '0',
    SANDBOX_MALFORMED_SHARE: '0.02',
    ...sandboxOptions,
  });
  const services: ServiceProcess[] = [];
  const journalPath = join(folder, 'journal.db');
  const taken = new Set<string>();
  const fault = { beganMs: 0, endedMs: 0, settledMs: 0 };
  onTestFinished(async () => {
    for (const service of services) await service.stop('SIGKILL');
    await sandbox.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const { control } = sandbox;

  async function settledBy(isSettled: () => Promise<boolean>): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      await sleep(100);
      quiet = (await isSettled()) ? quiet + 1 : 0;
      if (quiet === 1) fault.settledMs = performance.now();
    }
  }

  /** Ids of the events that are to be published or dead-lettered. */
  async function sentIds(): Promise<ReadonlySet<string>> {
    const ids = ['matching', 'invalid'].map((expectation) =>
      control.get<string[]>(`/stream/ids?expectation=${expectation}`),
    );
    return new Set((await Promise.all(ids)).flat());
  }

  return {
    sandbox,
    journalPath,
    async faultBegins(rule) {
      if (rule !== undefined) await control.post('/faults', rule);
      fault.beganMs = performance.now();
    },
    async faultEnds() {
      await control.remove('/faults');
      fault.endedMs = performance.now();
    },
    async setTraffic(perSecond) {
      await control.post('/traffic', { perSecond });
    },
    async start(settings = {}) {
      const service = await startProcess({
        ...sandbox.environment,
        JOURNAL_PATH: journalPath,
        FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
        EVENT_DEDUPE_ROWS: '1000000',
        HTTP_RATE_LIMIT_PER_MINUTE: '0',
        ...settings,
      });
      services.push(service);
      return service;
    },
    noteTaken() {
      for (const id of readJournal(journalPath).taken.keys()) taken.add(id);
    },
    async noteSent() {
      for (const id of await sentIds()) taken.add(id);
    },
    settled: (service) => settledBy(async () => (await inJournal(service)) === 0),
    settledBy,
    async audit(name) {
      const published = await control.get<readonly string[]>('/events/ids');
      const { letters } = await control.get<{ letters: readonly { body: string }[] }>(
        '/dead-letters?limit=1000000',
      );
      const sent = await sentIds();
      const distinct = new Set(published);
      const deadLettered = eventsOfLetters(letters.map(({ body }) => body));
      const audit: Audit = {
        sent: sent.size,
        taken: taken.size,
        published: distinct.size,
        deadLettered: deadLettered.size,
        duplicates: published.length - distinct.size,
        lost: [...taken].filter((id) => !distinct.has(id) && !deadLettered.has(id)),
        invented: [...distinct].filter((id) => !sent.has(id)).length,
      };
      task.meta.fault = {
        fault: name,
        durationMs: fault.endedMs - fault.beganMs,
        recoveryMs: fault.settledMs - fault.endedMs,
        ...audit,
        lost: audit.lost.length,
      };
      return audit;
    },
  };
}
