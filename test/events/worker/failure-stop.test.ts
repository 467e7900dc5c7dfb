import { writeFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startTestServer } from '../../http/support/test-server.ts';
import { copyConfiguration } from '../../support/files.ts';
import {
  interaction,
  interactions,
  journalFolder,
  sandboxForTest,
  workerOn,
} from '../../support/worker-under-test.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 12_000, interval: 10 });

const BROKEN = '{ "source": payload.nothing, "detail-type": "t", "detail": { "n": id } }';
const MENDED = '{ "source": "mended", "detail-type": "t", "detail": { "n": id } }';
/** Fails for ids that end in an even digit. */
const HALF = `{ "source": $contains(id, /[02468]$/) ? 7 : "half", "detail-type": "t", "detail": { "n": id } }`;

type Under = Awaited<ReturnType<typeof workerOn>>;

async function bridge(path?: string) {
  const sandbox = await sandboxForTest();
  const configuration = await copyConfiguration();
  const options = { schemaMode: 'off', configuration } as const;
  const journal = { path: path ?? `${await journalFolder()}/journal.db` };
  const open = () => workerOn(sandbox, { ...options, journal });
  const edit = async (under: Under, expression: string) => {
    await writeFile(configuration.expressionFile, expression);
    await under.pipeline.reload();
  };
  return { sandbox, open, edit };
}

function pipelineOf({ health }: Under) {
  return health.snapshot().find(({ name }) => name === 'pipeline');
}

async function serve({ routes }: Under) {
  const server = await startTestServer(routes);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return async (body?: unknown) => {
    const answer = await fetch(`${server.url}/worker/resume`, {
      method: 'POST',
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
}

/** A running worker whose expression was good for 50 events and is broken since. */
async function heldAfterEdit() {
  const scene = await bridge();
  const under = await scene.open();
  under.worker.start();
  scene.sandbox.emit(interactions(50));
  await until(() => expect(under.stats.counts.published).toBe(50));
  await scene.edit(under, BROKEN);
  scene.sandbox.emit(interactions(900));
  await until(() => expect(under.worker.heldByFailures).toBe(true));
  return { ...scene, under };
}

describe('an edit with which events fail', () => {
  test('holds publishing after 500 letters, and another edit lets it go on by itself', async () => {
    const { sandbox, under, edit } = await heldAfterEdit();
    await until(() => expect(under.journal.events).toBe(400));
    expect(under.stats.counts).toMatchObject({ failed: 500, published: 50 });
    expect(under.health.ready).toBe(false);
    expect(pipelineOf(under)).toMatchObject({
      state: 'down',
      lastError: { code: 'most_events_fail' },
    });
    expect(under.worker.status().worker).toMatchObject({ state: 'running', held: true });
    expect(await under.registry.metrics()).toContain('pipeline_held 1');
    expect(under.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', code: 'most_events_fail' }),
    );

    await edit(under, MENDED);
    await until(() => expect(under.stats.counts.published).toBe(450));
    await until(() => expect(under.journal.events).toBe(0));
    expect(under.stats.counts.failed).toBe(500);
    expect(under.health.ready).toBe(true);
    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(500));
    expect(await under.registry.metrics()).toContain('pipeline_held 0');
  });

  test('goes on when the failures are accepted, and only then', async () => {
    const { under } = await heldAfterEdit();
    const resume = await serve(under);
    expect(await resume()).toMatchObject({ status: 409, body: { code: 'most_events_fail' } });
    expect((await resume({ acceptFailures: 'yes' })).status).toBe(400);
    under.worker.pause();
    expect((await resume({ acceptFailures: false })).status).toBe(409);
    expect(under.worker).toMatchObject({ state: 'running', heldByFailures: true });
    expect(under.stats.counts.failed).toBe(500);

    expect(await resume({ acceptFailures: true })).toMatchObject({
      status: 200,
      body: { state: 'running' },
    });
    await until(() => expect(under.stats.counts.failed).toBe(900));
    await until(() => expect(under.journal.events).toBe(0));
    expect(pipelineOf(under)?.state).toBe('up');
  });

  test('a restart loses nothing and changes nothing: held, accepted or mended', async () => {
    const { sandbox, under, open, edit } = await heldAfterEdit();
    await until(() => expect(under.journal.events).toBe(400));
    await under.close();

    const second = await open();
    second.worker.start();
    sandbox.emit(interactions(10));
    await until(() => expect(second.journal.events).toBe(410));
    await until(() => expect(pipelineOf(second)?.state).toBe('down'));
    expect(second.stats.counts.failed).toBe(0);
    second.worker.resume({ acceptFailures: true });
    await until(() => expect(second.stats.counts.failed).toBe(410));
    await second.close();

    const third = await open();
    third.worker.start();
    sandbox.emit(interactions(700));
    await until(() => expect(third.stats.counts.failed).toBe(700));
    await edit(third, MENDED);
    sandbox.emit(interactions(5));
    await until(() => expect(third.stats.counts.published).toBe(5));
    expect(third.health.ready).toBe(true);
  });

  test('a stop while publishing is held ends at once', async () => {
    const { under } = await heldAfterEdit();
    // All of them are read before the reading stops.
    await until(() => expect(under.journal.events).toBe(400));
    await under.worker.stop(AbortSignal.timeout(10_000));
    expect(under.worker.state).toBe('stopped');
    expect(under.journal.events).toBe(400);
  });
});

const numbered = (count: number, end: number) =>
  Array.from({ length: count }, (_, n) => interaction({ id: `i-${n}-${end}` }));

test('a version that half of its first thousand events passed has proven itself', async () => {
  const { sandbox, open, edit } = await bridge();
  const under = await open();
  under.worker.start();
  await edit(under, HALF);
  sandbox.emit(numbered(500, 1));
  await until(() => expect(under.stats.counts.published).toBe(500));
  sandbox.emit(numbered(500, 2));
  await until(() => expect(under.stats.counts.failed).toBe(500));
  // Whatever fails from here on is the fault of the events: the good ones need not wait for it.
  sandbox.emit([...numbered(700, 4), ...numbered(1, 3)]);
  await until(() => expect(under.stats.counts).toMatchObject({ published: 501, failed: 1200 }));
  expect(under.health.ready).toBe(true);
});

test('of the first thousand events of a version 501 fail: the last of them waits', async () => {
  const { sandbox, open, edit } = await bridge();
  const under = await open();
  under.worker.start();
  await edit(under, HALF);
  sandbox.emit(numbered(499, 1));
  await until(() => expect(under.stats.counts.published).toBe(499));
  sandbox.emit([...numbered(501, 2), ...numbered(1, 3)]);
  await until(() => expect(under.worker.heldByFailures).toBe(true));
  await until(() => expect(under.journal.events).toBe(2));
  expect(under.stats.counts).toMatchObject({ published: 499, failed: 500 });
});
