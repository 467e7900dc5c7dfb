import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startAppWithSandbox, until } from './support/app.ts';
import { copyConfiguration } from './support/files.ts';

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((app) => app.stop()));
});

async function start(...parameters: Parameters<typeof startAppWithSandbox>) {
  const app = await startAppWithSandbox(...parameters);
  running.push(app);
  return app;
}

interface Status {
  readonly pipeline: {
    readonly ingested: number;
    readonly published: number;
    readonly failed: number;
  };
}
const status = async (app: { get(path: string): Promise<Response> }) =>
  (await (await app.get('/status')).json()) as Status;

test('the main job runs end to end: events flow to the bus, and a record is written', async () => {
  const app = await start({ traffic: 200 });
  await app.ready();

  const readiness = (await (await app.get('/readyz')).json()) as {
    dependencies: { name: string; state: string }[];
  };
  expect(readiness.dependencies.map(({ name }) => name).sort()).toEqual([
    'attribute-definitions',
    'bus',
    'event-expression-file',
    'event-filter-file',
    'event-schema-file',
    'journal',
    'mapping-file',
    'permissions',
    'pipeline',
    'queue',
    'schema',
    'stream',
    'token',
  ]);

  await until(async () => (await status(app)).pipeline.published > 20, 'published events');
  expect(app.sandbox.cloud.busEventCount()).toBeGreaterThan(20);

  const answer = await app.post('/map', {
    orgId: 'acme-emea-support',
    records: [{ ticketId: 'T1001', priority: 'high', sourceChannel: 'web' }],
  });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    success: true,
    processed: 1,
    rejected: [],
    failed: [],
  });
  const records = await (await fetch(`${app.sandbox.url}/_sandbox/records?id=T1001`)).text();
  expect(records).toContain('"crm_ticket_priority":"high"');

  const report = await app.get('/report');
  expect(Object.keys((await report.json()) as object)).toEqual([
    'crm_ticket_priority',
    'crm_channel_source',
  ]);
});

test('a byte order mark before mapping and attributes is skipped', async () => {
  const { folder } = await copyConfiguration();
  const files: Record<string, string> = {};
  for (const [setting, name] of [
    ['MAPPING_FILE', 'crm-mapping.json'],
    ['ATTRIBUTES_FILE', 'attributes.json'],
  ] as const) {
    files[setting] = join(folder, name);
    await writeFile(join(folder, name), `\uFEFF${await readFile(`config/${name}`, 'utf8')}`);
  }
  const app = await start({}, files);
  await app.ready();
  const answer = await app.post('/map', { orgId: 'acme', records: [{ ticketId: 'T1' }] });
  expect(await answer.json()).toMatchObject({ success: true, processed: 1 });
});

test.each(['MAPPING_FILE', 'ATTRIBUTES_FILE'])(
  'a missing %s is a wrong setting',
  async (setting) => {
    await expect(start({}, { [setting]: '/no/such/file.json' })).rejects.toMatchObject({
      code: 'invalid_configuration',
      problems: [
        expect.stringMatching(
          `^${setting}: /no/such/file.json cannot be read: there is no such file`,
        ),
      ],
    });
  },
);

test('two apps run side by side in one process without touching each other', async () => {
  const [one, two] = await Promise.all([start({ traffic: 100 }), start({ traffic: 0 })]);
  await Promise.all([one.ready(), two.ready()]);
  expect(one.url).not.toBe(two.url);

  await until(async () => (await status(one)).pipeline.published > 5, 'events of the first app');
  expect((await status(two)).pipeline).toMatchObject({ ingested: 0, published: 0 });
  expect(two.sandbox.cloud.busEventCount()).toBe(0);

  await one.post('/map', { orgId: 'acme', records: [{ ticketId: 'only-one' }] });
  const seen = await (await fetch(`${two.sandbox.url}/_sandbox/records?id=only-one`)).text();
  expect(seen).not.toContain('crm_ticket_id');

  const metrics = await (await two.get('/metrics')).text();
  expect(metrics).not.toMatch(/map_records_total\{.*written.*\} [1-9]/);
});

test('the service starts while Genesys and AWS are away, says so, and gets ready by itself', async () => {
  const app = await start({ traffic: 0, deadLetterQueueExists: false });
  await until(async () => (await app.get('/livez')).status === 200, 'alive');
  const readiness = await app.get('/readyz');
  expect(readiness.status).toBe(503);

  app.sandbox.cloud.createQueue('interaction-bridge-dead-letters');
  await app.ready();
});

test("a caller's trace goes on to Genesys, as a part of the same trace", async () => {
  const app = await start({ traffic: 0 });
  await app.ready();
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const seen: string[] = [];
  subscribe('undici:request:create', onRequest);
  function onRequest(message: unknown) {
    const { request } = message as { request: { path: string; headers: string[] } };
    if (request.path.includes('/batch')) seen.push(request.headers.join(' '));
  }
  await app.post(
    '/map',
    { orgId: 'acme', records: [{ ticketId: 'T1' }] },
    { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  );
  unsubscribe('undici:request:create', onRequest);
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatch(new RegExp(`00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01`));
});

test('a stop releases everything and loses nothing that was taken', async () => {
  const app = await start({ traffic: 500 });
  await until(async () => (await status(app)).pipeline.published > 50, 'published events');
  await app.stop();
  await expect(fetch(`${app.url}/livez`)).rejects.toThrow();
  running.length = 0;
});

test('a broken edit of any configuration file shows by its name, and stops nothing', async () => {
  const files = await copyConfiguration();
  const mappingFile = join(files.folder, 'crm-mapping.json');
  await copyFile('config/crm-mapping.json', mappingFile);
  const app = await start(
    {},
    {
      MAPPING_FILE: mappingFile,
      EVENT_FILTER_FILE: files.filterFile,
      EVENT_EXPRESSION_FILE: files.expressionFile,
      EVENT_SCHEMA_FILE: files.schemaFile,
    },
  );
  await app.ready();
  interface Dependencies {
    readonly dependencies: readonly {
      readonly name: string;
      readonly state: string;
      readonly note?: string;
      readonly lastError?: { readonly message: string };
    }[];
  }
  const fileStates = async (path: string) => {
    const response = await app.get(path);
    expect(response.status).toBe(200);
    const { dependencies } = (await response.json()) as Dependencies;
    return dependencies.filter(({ name }) => name.endsWith('-file'));
  };
  const atFirst = await fileStates('/status');
  expect(atFirst.map(({ state }) => state)).toEqual(['up', 'up', 'up', 'up']);
  for (const { note } of atFirst) expect(note).toMatch(/^version [0-9a-f]{12}$/);

  const good = await readFile(mappingFile, 'utf8');
  const paths = [mappingFile, files.filterFile, files.expressionFile, files.schemaFile];
  await Promise.all(paths.map((path) => writeFile(path, '{"broken": ')));
  for (const path of ['/readyz', '/status']) {
    await until(
      async () => (await fileStates(path)).every(({ state }) => state === 'down'),
      `all files broken in ${path}`,
    );
    for (const { lastError } of await fileStates(path)) expect(lastError?.message).not.toBe('');
  }

  await writeFile(mappingFile, good);
  await until(
    async () =>
      (await fileStates('/readyz')).some(
        ({ name, state }) => name === 'mapping-file' && state === 'up',
      ),
    'the mapping file is mended',
  );
});
