import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { openPipeline } from '../../../src/events/pipeline/live-pipeline.ts';
import { createSampleEvent } from '../../../src/events/pipeline/sample-event.ts';
import { openSchemaFile } from '../../../src/events/pipeline/schema-file.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { copyConfiguration, limits } from '../../support/files.ts';

const eventId = '0196f0a0-1111-7222-8333-944444444444';
const event = createSampleEvent(
  { interactionId: 'i-1' },
  { uuid: () => eventId, now: () => new Date(0) },
);

async function open(
  files: Awaited<ReturnType<typeof copyConfiguration>>,
  { pollMs = 20, holdToExamples = false } = {},
) {
  const log = createLogger({ level: 'silent' });
  const health = createHealth();
  const schema = await openSchemaFile({
    path: files.schemaFile,
    mode: 'enforce',
    log,
    reporter: health.dependency('schema'),
    pollMs,
    holdToExamples,
  });
  onTestFinished(async () => schema.stop());
  const pipeline = await openPipeline({ ...files, limits, schema, log, pollMs, holdToExamples });
  onTestFinished(async () => pipeline.stop());
  return { pipeline, health };
}

describe('configuration files while the service runs', () => {
  test('a good edit of each file is taken over', async () => {
    const files = await copyConfiguration();
    const { pipeline, health } = await open(files);
    const before = pipeline.versions;

    await writeFile(files.filterFile, '{"all": [{"path": "id", "equals": "other"}]}');
    await writeFile(
      files.expressionFile,
      (await readFile(files.expressionFile, 'utf8')).replace(
        'payload.type,',
        '$string(payload.type),',
      ),
    );
    await writeFile(files.schemaFile, '{"type": "object", "required": ["nothing"]}');
    await vi.waitFor(() => {
      expect(pipeline.versions.filter).not.toBe(before.filter);
      expect(pipeline.versions.expression).not.toBe(before.expression);
      expect(pipeline.versions.schema).not.toBe(before.schema);
    });

    expect(pipeline.filter(event).matched).toBe(false);
    expect(await pipeline.process(event, eventId)).toMatchObject({
      stage: 'validate',
      issues: [{ keyword: 'required' }],
    });
    expect(health.snapshot()[0]?.note).toContain(pipeline.versions.schema);
  });

  test.each([
    ['filterFile', '{"any": [', /not JSON/],
    ['filterFile', '{"any": [{"path": "a", "equals": 1}]}', /needs a "name"/],
    ['expressionFile', '{"a": (1 + }', /line 1/],
    ['expressionFile', '($f := function($x){$f($x)}; $f(1))', /ordinary event/],
    ['schemaFile', '{"type": "objekt"}', /schema/],
    ['schemaFile', '{"pattern": "(?=a)", "type": "string"}', /linear time/],
    ['schemaFile', '[]', /object/],
  ] as const)('nonsense in %s (%s) changes nothing', async (file, text, problem) => {
    const files = await copyConfiguration();
    const { pipeline } = await open(files);
    const { versions } = pipeline;

    await writeFile(files[file], text);
    await pipeline.reload();

    expect(pipeline.problems).toStrictEqual([expect.stringMatching(problem)]);
    expect(pipeline.versions).toStrictEqual(versions);
    expect(pipeline.filter(event).matched).toBe(true);
    expect(await pipeline.process(event, eventId)).toMatchObject({ ok: true });
  });

  test.each(['filterFile', 'expressionFile', 'schemaFile'] as const)(
    'a byte order mark in %s changes nothing, at the start and in an edit',
    async (file) => {
      const files = await copyConfiguration();
      const { pipeline } = await open(files);
      const { versions } = pipeline;
      await writeFile(files[file], `\uFEFF${await readFile(files[file], 'utf8')}`);

      for (const each of [pipeline, (await open(files)).pipeline]) {
        await each.reload();
        expect(each.problems).toStrictEqual([]);
        expect(each.versions).toStrictEqual(versions);
        expect(await each.process(event, eventId)).toMatchObject({ ok: true });
      }
    },
  );

  test('a deleted file changes nothing, and its return clears the problem', async () => {
    const files = await copyConfiguration();
    const { pipeline } = await open(files);
    const text = await readFile(files.expressionFile, 'utf8');
    await rm(files.expressionFile);
    await pipeline.reload();
    expect(pipeline.problems).toHaveLength(1);
    expect(await pipeline.process(event, eventId)).toMatchObject({ ok: true });
    await writeFile(files.expressionFile, text);
    await pipeline.reload();
    expect(pipeline.problems).toHaveLength(0);
  });

  test('an edit in the middle of many events fails none', async () => {
    const files = await copyConfiguration();
    const { pipeline } = await open(files);
    const text = await readFile(files.expressionFile, 'utf8');
    const work = Promise.all(
      Array.from({ length: 500 }, async () => {
        await new Promise(setImmediate);
        return pipeline.process(event, eventId);
      }),
    );
    await writeFile(files.expressionFile, text.replace('payload.type,', '$string(payload.type),'));
    await pipeline.reload();
    await writeFile(files.expressionFile, '{');
    await pipeline.reload();
    expect((await work).every((processed) => processed.ok)).toBe(true);
  });
});

test.each(['filterFile', 'expressionFile', 'schemaFile'] as const)(
  'a start with an unusable %s names the file',
  async (file) => {
    const files = await copyConfiguration();
    await writeFile(files[file], '{"a": ');
    await expect(open(files)).rejects.toThrow(ConfigError);
    await expect(open(files)).rejects.toThrow(files[file]);
  },
);

test.each([
  ['filterFile', '{"any": [', 'invalid_filter'],
  ['filterFile', '{"any": 5}', 'invalid_filter'],
  ['expressionFile', '{"a": ', 'invalid_expression'],
  ['schemaFile', '{"type": "nothing"}', 'invalid_schema'],
] as const)('a broken %s (%s) stops the start as %s', async (file, text, code) => {
  const files = await copyConfiguration();
  await writeFile(files[file], text);
  const failed = open(files);
  await expect(failed).rejects.toMatchObject({ name: 'ConfigError', code });
  await expect(failed).rejects.toThrow(files[file]);
});

describe('the examples beside the files', () => {
  const byOwner = (text: string) => text.replace('payload.type,', '"voice",');

  test('an edit that breaks one is not taken over, until edit or example is mended', async () => {
    const files = await copyConfiguration({ examples: true });
    const { pipeline } = await open(files, { holdToExamples: true });
    const { filter } = pipeline.versions;
    await writeFile(files.filterFile, '{"all": [{"path": "id", "equals": "other"}]}');
    // A look in the middle of the writing finds half a file.
    const why = /event-filter\.json: the example ".*" of .* fails/;
    await vi.waitFor(() => expect(pipeline.problems).toEqual([expect.stringMatching(why)]));
    expect(pipeline.versions.filter).toBe(filter);
    expect(pipeline.filter(event).matched).toBe(true);

    await writeFile(files.filterFile.replace('.json', '.test.json'), '[]');
    await vi.waitFor(() => expect(pipeline.versions.filter).not.toBe(filter));
    expect(pipeline.problems).toEqual([]);
  });

  test('files that only fit together are taken over in any order', async () => {
    for (const schemaFirst of [true, false]) {
      const files = await copyConfiguration({ examples: true });
      const { pipeline } = await open(files, { holdToExamples: true });
      const before = pipeline.versions;
      const schema = JSON.parse(await readFile(files.schemaFile, 'utf8')) as {
        properties: { detail: { properties: Record<string, unknown> } };
      };
      schema.properties.detail.properties['type'] = { const: 'voice' };
      const expression = byOwner(await readFile(files.expressionFile, 'utf8'));
      const edits = [
        () => writeFile(files.schemaFile, JSON.stringify(schema)),
        () => writeFile(files.expressionFile, expression),
      ];
      for (const edit of schemaFirst ? edits : edits.toReversed()) await edit();
      await writeFile(files.expressionFile.replace('.jsonata', '.test.json'), '[]');
      await writeFile(files.schemaFile.replace('.json', '.test.json'), '[]');
      await vi.waitFor(() => {
        expect(pipeline.versions.schema).not.toBe(before.schema);
        expect(pipeline.versions.expression).not.toBe(before.expression);
      });
      expect(pipeline.problems).toEqual([]);
    }
  });

  test('switched off, every edit that compiles is taken over', async () => {
    const files = await copyConfiguration({ examples: true });
    const { pipeline } = await open(files);
    const { filter } = pipeline.versions;
    await writeFile(files.filterFile, '{"all": [{"path": "id", "equals": "other"}]}');
    await vi.waitFor(() => expect(pipeline.versions.filter).not.toBe(filter));
  });
});
