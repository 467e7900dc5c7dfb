import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { environmentExample, readmeWith } from '../tools/settings-documents.ts';

test('.env.example and the README list every setting as the code has it', () => {
  expect(readFileSync('.env.example', 'utf8')).toBe(environmentExample());
  const readme = readFileSync('README.md', 'utf8');
  expect(readme).toBe(readmeWith(readme));
});
