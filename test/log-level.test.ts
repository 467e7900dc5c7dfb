// The log level can be changed while the service runs, by a route and by a signal.
import { afterEach, expect, test } from 'vitest';
import { sendRaw } from './http/support/raw-http.ts';
import { startAppWithSandbox, until } from './support/app.ts';
import { startProcess, startSandboxProcess } from './support/processes.ts';
import { interaction } from './support/worker-under-test.ts';

const running: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0).toReversed()) await one.stop();
});

test('POST /log-level holds for every part at once, and for requests that are going on', async () => {
  const app = await startAppWithSandbox({}, { LOG_LEVEL: 'fatal', GENESYS_MAX_TRIES: '3' });
  running.push(app);
  await app.ready();
  const messages = () => app.log.map(({ msg }) => String(msg));
  const setLevel = async (level: string) => {
    expect(await (await app.post('/log-level', { level })).json()).toMatchObject({ level });
  };
  /** A request that begins now and ends when told. */
  function openImport(): () => Promise<void> {
    const body = new TransformStream<Uint8Array, Uint8Array>();
    const answer = app.get('/map?orgId=acme', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: body.readable,
      duplex: 'half',
    });
    const writer = body.writable.getWriter();
    // Nothing is sent before there is something to send.
    const begun = writer.write(Buffer.from('\n'));
    return async () => {
      await begun;
      await writer.write(Buffer.from('{"ticketId":"T1"}\n'));
      await writer.close();
      await (await answer).text();
    };
  }
  /** Makes the Genesys client and the HTTP server say something at level debug. */
  async function provoke(id: string): Promise<void> {
    app.sandbox.faults.add({ target: 'genesys.customattributes.batch', status: 503, times: 1 });
    await app.post('/map', { orgId: 'acme', records: [{ ticketId: id }] });
    await sendRaw(Number(new URL(app.url).port), 'this is not HTTP\r\n\r\n');
  }
  const openRequests = async () =>
    Number(
      /^bridge_http_in_flight (\d+)$/m.exec(await (await app.get('/metrics')).text())?.[1] ?? NaN,
    );

  const finishFirst = openImport();
  await until(async () => (await openRequests()) >= 2, 'the import');
  await provoke('T1');
  expect(messages()).toEqual([]);

  await setLevel('debug');
  const isCall = (text: string) =>
    /^(?:Genesys call|AWS call|Chunk of the event stream|Batch (?:to the bus|of records written))$/.test(
      text,
    );
  expect(messages().filter((text) => !isCall(text))).toEqual([
    'Log level changed',
    'POST /log-level 200',
  ]);
  await provoke('T2');
  await finishFirst();
  await until(() => messages().filter((text) => text === 'POST /map 200').length === 2, 'lines');
  expect(messages()).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^Again after: Genesys call write_attributes/),
      'What was sent is not a valid HTTP request.',
    ]),
  );
  const tries = app.log.filter(({ operation }) => operation === 'write_attributes');
  expect(tries).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ msg: 'Genesys call', status: '503' }),
      expect.objectContaining({ msg: 'Genesys call', status: '200' }),
    ]),
  );

  const finishSecond = openImport();
  await until(async () => (await openRequests()) >= 2, 'the import');
  await setLevel('error');
  const before = app.log.length;
  await provoke('T3');
  await finishSecond();
  await app.get('/version');
  expect(messages().slice(before)).toEqual([]);
  expect((await app.post('/log-level', { level: 'loud' })).status).toBe(400);
});

test('SIGUSR2 switches debug lines on and off again', async () => {
  const sandbox = await startSandboxProcess();
  running.push(sandbox);
  const service = await startProcess(
    { ...sandbox.environment, WORKER_ENABLED: 'false', FINGERPRINT_PATH: ':memory:' },
    { waitFor: '/readyz' },
  );
  running.push(service);
  const port = Number(new URL(service.url).port);
  const changes = () => service.log.filter(({ msg }) => msg === 'Log level changed').length;
  const debugLines = () =>
    service.log.filter(({ level, msg }) => level === 'debug' && msg !== 'Genesys call').length;

  await sendRaw(port, 'nonsense\r\n\r\n');
  service.child.kill('SIGUSR2');
  await until(() => changes() === 1, 'the first change');
  expect(debugLines()).toBe(0);
  await sendRaw(port, 'nonsense\r\n\r\n');
  await until(() => debugLines() === 1, 'a debug line');
  service.child.kill('SIGUSR2');
  await until(() => changes() === 2, 'the second change');
  await sendRaw(port, 'nonsense\r\n\r\n');
  await (await fetch(`${service.url}/nowhere`)).text();
  await until(() => service.log.some(({ status }) => status === 404), 'the last line');
  expect(debugLines()).toBe(1);
}, 60_000);

test('debug tells each batch and chunk without a payload, trace with it', async () => {
  const app = await startAppWithSandbox({}, { LOG_LEVEL: 'debug' });
  running.push(app);
  await app.ready();
  const said = (msg: string) => app.log.filter((line) => line['msg'] === msg);
  const send = async (mark: string) => {
    const published = app.sandbox.cloud.busEventCount();
    app.sandbox.emit([interaction({ payload: { ...interaction().payload, type: mark } })]);
    await app.post('/map', {
      orgId: 'acme',
      records: [{ ticketId: mark, priority: 'high', sourceChannel: 'web' }],
    });
    await until(() => app.sandbox.cloud.busEventCount() > published, 'the event on the bus');
  };

  await send('SECRETMARK1');
  await until(() => said('Batch to the bus').length > 0, 'the batch in the log');
  expect(said('Batch to the bus').at(-1)).toMatchObject({ accepted: 1, refused: 0, repeated: 0 });
  expect(said('Chunk of the event stream').at(-1)).toMatchObject({ lines: 1, taken: 1 });
  expect(said('Batch of records written').at(-1)).toMatchObject({ records: 1 });
  expect(said('The event stream works')).toHaveLength(1);
  expect(JSON.stringify(app.log)).not.toContain('SECRETMARK1');

  await app.post('/log-level', { level: 'trace' });
  await send('SECRETMARK2');
  for (const msg of ['Entries of the batch', 'Lines of the chunk', 'Records of the batch']) {
    await until(() => said(msg).length > 0, msg);
    expect(JSON.stringify(said(msg))).toContain('SECRETMARK2');
  }
  const others = app.log.filter(({ level }) => level !== 'trace');
  expect(JSON.stringify(others)).not.toContain('SECRETMARK2');
});
