import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { importFile } from '../../../src/cli/import/import.ts';
import type { MapApp } from '../../support/map-app.ts';

/** `npm run import` with `content` as its file; `REJECTS` stands for a file of rejects. */
export async function runImport(
  name: string,
  content: string | Buffer,
  args: readonly string[],
  options: { isTTY?: boolean; env?: Record<string, string> } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'import-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, name);
  await writeFile(file, content);
  const out: string[] = [];
  const err: string[] = [];
  const into = (lines: string[]) => ({
    isTTY: options.isTTY ?? false,
    write: (text: string | Uint8Array) => lines.push(String(text)) > 0,
  });
  const rejects = join(folder, 'rejects.ndjson');
  const code = await importFile([...args.map((arg) => (arg === 'REJECTS' ? rejects : arg)), file], {
    env: options.env ?? {},
    out: into(out),
    err: into(err),
  });
  const readRejects = async () =>
    (await readFile(rejects, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const text = out.join('');
  const summary = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  return {
    code,
    out: text,
    summary,
    err: err.join(''),
    readRejects,
    readText: () => readFile(rejects, 'utf8'),
  };
}

/** The channels that were written, by ticket. */
export function channels(app: MapApp): Record<string, unknown> {
  return Object.fromEntries(
    [...app.sandbox.records.stored].map(([id, { entity }]) => [id, entity['crm_channel_source']]),
  );
}
