import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { checkAll } from '../../src/cli/check/check-command.ts';
import { checkConfiguration } from '../../src/cli/check/check-configuration.ts';
import { simulateFile } from '../../src/cli/simulate.ts';
import { rawEvent } from '../events/simulation/support/simulate-server.ts';
import { copyConfiguration } from '../support/files.ts';

async function environmentOf(files?: Awaited<ReturnType<typeof copyConfiguration>>) {
  const copies = files ?? (await copyConfiguration());
  return {
    EVENT_FILTER_FILE: copies.filterFile,
    EVENT_EXPRESSION_FILE: copies.expressionFile,
    EVENT_SCHEMA_FILE: copies.schemaFile,
  };
}

function output() {
  const written: string[] = [];
  return { write: (text: string) => void written.push(text), read: () => written.join('') };
}

describe('npm run check-config', () => {
  test('the files of this repository and their examples are right', async () => {
    const results = await checkConfiguration({ environment: {} });
    expect(results.filter(({ status }) => status !== 'ok')).toStrictEqual([]);
    const areas = new Set(results.map(({ area }) => area));
    expect([...areas]).toStrictEqual([
      'settings',
      'filter',
      'expression',
      'schema',
      'mapping',
      'attributes',
    ]);
    expect(results.length).toBeGreaterThan(20);
  });

  test('a byte order mark at the beginning of any of them is skipped', async () => {
    const { folder, ...files } = await copyConfiguration();
    const names = (await readdir('config')).filter((name) => /\.json(?:ata)?$/.test(name));
    expect(names.length).toBeGreaterThan(7);
    for (const name of names) {
      await writeFile(join(folder, name), `\uFEFF${await readFile(join('config', name), 'utf8')}`);
    }
    const environment = {
      ...(await environmentOf({ folder, ...files })),
      MAPPING_FILE: join(folder, 'crm-mapping.json'),
      ATTRIBUTES_FILE: join(folder, 'attributes.json'),
    };
    const results = await checkConfiguration({ environment });
    expect(results.filter(({ status }) => status !== 'ok')).toStrictEqual([]);
    expect(results.length).toBeGreaterThan(20);
  });

  test.each([
    { PORT: 'abc' },
    { AUTH_MODE: 'jwt' },
    { EVENT_SCHEMA_REGISTRY: 'r' },
    { OAUTH_PRIVATE_KEY: 'no key', OAUTH_CLIENT_ID: 'c', OAUTH_SUBJECT: 's' },
    { MAPPING_FILE: '/no/such/file' },
    { EVENT_FILTER_FILE: '/' },
    { EVENT_EXPRESSION_FILE: 'README.md' },
    { EVENT_SCHEMA_FILE: 'README.md' },
    { ATTRIBUTES_FILE: 'README.md' },
  ])('nothing is said twice: %j', async (environment) => {
    const { write, read } = output();
    expect(await checkAll(environment, [], { write })).toBe(1);
    for (const line of read()
      .split('\n')
      .filter((text) => text.startsWith('FAILED'))) {
      // No name, path or sentence comes again right behind itself.
      expect(line).not.toMatch(/(?<said>[^\s:][^:]{2,}): \k<said>/);
      expect(line).not.toMatch(/(?<path>\/[\w./-]{4,}).*\k<path>/);
    }
  });

  test('a failing example is shown with what came and what was expected', async () => {
    const files = await copyConfiguration();
    await writeFile(
      join(files.folder, 'event-filter.test.json'),
      JSON.stringify([{ name: 'sales', event: { resourceType: 'user' }, expected: 'sales-rule' }]),
    );
    await writeFile(
      join(files.folder, 'event-transform.test.json'),
      JSON.stringify([
        { name: 'wrong', event: rawEvent(), expected: { source: 'other' } },
        { name: 'fails', event: 5, expected: { error: 'T1006' } },
      ]),
    );
    const { write, read } = output();
    expect(await checkAll(await environmentOf(files), [], { write })).toBe(1);
    expect(read()).toMatch(/FAILED +filter +.*event-filter\.test\.json: sales\n/);
    expect(read()).toContain("- 'sales-rule'");
    expect(read()).toContain('resourceType is "user", not "interaction"');
    expect(read()).toMatch(/- +source: 'other'/);
    expect(read()).toMatch(/skipped +schema +.*no examples beside it/);
    expect(read()).toMatch(/3 failed\n$/);
  });

  test('an example that breaks the schema is found', async () => {
    const files = await copyConfiguration();
    await writeFile(files.expressionFile, '{"source": "other"}');
    await writeFile(
      join(files.folder, 'event-transform.test.json'),
      JSON.stringify([{ name: 'one', event: {}, expected: { source: 'other' } }]),
    );
    const results = await checkConfiguration({ environment: await environmentOf(files) });
    expect(results.filter(({ status }) => status === 'failed')).toMatchObject([
      { area: 'expression', diff: expect.stringContaining('breaks the schema: /source') as string },
    ]);
  });

  test('all broken files and settings are told at once', async () => {
    const files = await copyConfiguration();
    await writeFile(files.filterFile, '{"any": [{}]}');
    await writeFile(files.expressionFile, '{');
    await writeFile(files.schemaFile, '{"type": 1}');
    await writeFile(join(files.folder, 'event-schema.test.json'), '{}');
    const environment = { ...(await environmentOf(files)), PORT: 'eighty', LOG_LEVEL: 'loud' };
    const results = await checkConfiguration({ environment });
    const failed = results.filter(({ status }) => status === 'failed');
    expect(failed.map(({ area, subject }) => `${area} ${subject}`)).toStrictEqual([
      'settings PORT',
      'settings LOG_LEVEL',
      `filter ${files.filterFile}`,
      `filter ${files.filterFile}`,
      `expression ${files.expressionFile}`,
      `schema ${files.schemaFile}`,
    ]);
  });

  test('missing credentials count in production', async () => {
    const results = await checkConfiguration({
      environment: { ...(await environmentOf()), NODE_ENV: 'production' },
    });
    const failed = results.filter(({ status }) => status === 'failed');
    expect(failed.map(({ area }) => area)).toContain('settings');
    expect(failed.map(({ subject }) => subject)).toContain('AUTH_MODE');
  });

  test('the remote services are asked only on demand, with settings that are right', async () => {
    const checkRemote = async () =>
      [{ area: 'remote', subject: 'bus', status: 'failed', message: 'away' }] as const;
    const environment = await environmentOf();
    const { write, read } = output();
    expect(await checkAll(environment, ['--check'], { checkRemote, write })).toBe(1);
    expect(read()).toMatch(/FAILED +remote +bus: away/);
    expect(await checkAll(environment, ['--offline'], { checkRemote, write })).toBe(0);
    const wrong = await checkConfiguration({ environment: { PORT: '-1' }, checkRemote });
    expect(wrong.at(-1)).toMatchObject({ area: 'remote', status: 'skipped' });
  });

  test('prints JSON, and how it is used', async () => {
    const { write, read } = output();
    expect(await checkAll(await environmentOf(), ['--json'], { write })).toBe(0);
    expect(JSON.parse(read())).toContainEqual({
      area: 'settings',
      subject: 'environment',
      status: 'ok',
    });
    expect(await checkAll({}, ['--fast'], { write })).toBe(2);
    expect(read()).toContain('Usage: npm run check-config');
  });
});

describe('npm run simulate', () => {
  async function run(args: (files: Awaited<ReturnType<typeof copyConfiguration>>) => string[]) {
    const files = await copyConfiguration();
    await writeFile(join(files.folder, 'good.json'), JSON.stringify(rawEvent()));
    await writeFile(join(files.folder, 'marked.json'), `\uFEFF${JSON.stringify(rawEvent())}`);
    await writeFile(join(files.folder, 'broken.ndjson'), '{}\n{"id":');
    const bad = rawEvent({ createdTime: 'soon' });
    await writeFile(join(files.folder, 'mixed.json'), JSON.stringify([rawEvent(), bad, null]));
    const lines = [rawEvent(), rawEvent({ resourceType: 'user' })].map((one) =>
      JSON.stringify(one),
    );
    await writeFile(join(files.folder, 'lines.ndjson'), lines.join('\n\n'));
    const { write, read } = output();
    const exitCode = await simulateFile(await environmentOf(files), args(files), write);
    return { exitCode, text: read() };
  }

  test('an event that would be published', async () => {
    const { exitCode, text } = await run(({ folder }) => [join(folder, 'good.json')]);
    expect(exitCode).toBe(0);
    expect(text).toMatch(/^publish \([\d.]+ ms\)\n/);
    expect(text).toContain('rule high-priority');
    expect(text).toContain('"source": "genesys.cloud"');
  });

  test('a byte order mark before the events is skipped', async () => {
    const { exitCode, text } = await run(({ folder }) => [join(folder, 'marked.json')]);
    expect(text).toMatch(/^publish/);
    expect(exitCode).toBe(0);
  });

  test('a line that is not JSON is named', async () => {
    const { exitCode, text } = await run(({ folder }) => [join(folder, 'broken.ndjson')]);
    expect(exitCode).toBe(2);
    expect(text).toMatch(/broken\.ndjson: line 2: not JSON/);
  });

  test('without a file, a made-up event', async () => {
    expect((await run(() => [])).exitCode).toBe(0);
  });

  test('several, not all of which would be', async () => {
    const { exitCode, text } = await run(({ folder }) => [join(folder, 'mixed.json')]);
    expect(exitCode).toBe(1);
    expect(text).toContain('/time must match format "date-time"');
    expect(text).toContain('The event is not a JSON object');
    expect(text).toMatch(
      /\n\[Pipeline Report\] Ingested: 3 \| Published: 1 \| Failed: 2 \| .*ms\n$/,
    );
    const lines = await run(({ folder }) => [join(folder, 'lines.ndjson'), '--json']);
    expect(lines.exitCode).toBe(1);
    expect(
      lines.text
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { outcome: string }).outcome),
    ).toStrictEqual(['publish', 'skip']);
  });

  test('other files in the place of the configured ones', async () => {
    const files = await copyConfiguration();
    const path = (name: string) => join(files.folder, name);
    await writeFile(path('e.jsonata'), '{"source": "s", "detail-type": "t", "detail": {}}');
    await writeFile(path('s.json'), '{"type": "object"}');
    await writeFile(path('f.json'), '{"all": [{"path": "id", "exists": true}]}');
    const { exitCode, text } = await run(() => [
      '--expression',
      path('e.jsonata'),
      '--schema',
      path('s.json'),
      '--filter',
      path('f.json'),
    ]);
    expect(text).toContain('rule all');
    expect(text).toContain('"source": "s"');
    expect(exitCode).toBe(0);
  });

  test.each([
    [
      'a file that is not there',
      ['missing.json'],
      /missing\.json cannot be read: there is no such file \(ENOENT\)/,
    ],
    ['an unknown option', ['--fast'], /fast/],
    ['two files', ['a.json', 'b.json'], /One file/],
    ['an option without its value', ['--schema'], /schema/],
  ])('cannot be used: %s', async (_, args, reason) => {
    const { exitCode, text } = await run(() => args);
    expect(exitCode).toBe(2);
    expect(text).toMatch(reason);
    expect(text).toContain('Usage: npm run simulate');
  });

  test('as a process', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      'src/cli/simulate.ts',
      '--json',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'publish' });
  });
});
