import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const limits = { timeoutMs: 250, maxDepth: 200, maxSequence: 1000 };

/** A folder of its own with copies of the configuration files; gone after the test. */
export async function copyConfiguration({ examples = false } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-'));
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, name);
  const files = ['event-filter.json', 'event-transform.jsonata', 'event-schema.json'];
  if (examples) files.push(...files.map((file) => file.replace(/\.\w+$/, '.test.json')));
  await Promise.all(files.map(async (file) => copyFile(`config/${file}`, path(file))));
  return {
    folder,
    filterFile: path('event-filter.json'),
    expressionFile: path('event-transform.jsonata'),
    schemaFile: path('event-schema.json'),
  };
}
