import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settings } from '../../src/settings/settings.ts';
import { environmentExample, withSettings } from '../../tools/settings-documents.ts';

/** The names in the rows of all tables of a document. */
const rowsOf = (document: string) =>
  Array.from(document.matchAll(/^\| `([A-Z][A-Z_]+)` \|/gm), ([, name]) => name);

test('.env.example lists every setting as the code has it', () => {
  expect(readFileSync('.env.example', 'utf8')).toBe(environmentExample());
});

test('docs/configuration.md lists every setting once, as the code has it', () => {
  const document = readFileSync('docs/configuration.md', 'utf8');
  expect(document).toBe(withSettings(document, 'docs/configuration.md'));
  expect(rowsOf(document)).toEqual(Object.keys(settings));
});

test('README.md shows ten of them as the code has them, and where all are', () => {
  const document = readFileSync('README.md', 'utf8');
  expect(document).toBe(withSettings(document, 'README.md'));
  expect(rowsOf(document)).toHaveLength(10);
  expect(document).toContain('](docs/configuration.md#settings)');
});
