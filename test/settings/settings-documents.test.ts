import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DOCUMENTS, environmentExample, withSettings } from '../../tools/settings-documents.ts';

test('.env.example lists every setting as the code has it', () => {
  expect(readFileSync('.env.example', 'utf8')).toBe(environmentExample());
});

test.each(DOCUMENTS)('%s lists every setting as the code has it', (path) => {
  const document = readFileSync(path, 'utf8');
  expect(document).toBe(withSettings(document));
});
