// What npm ci installs is what was looked at when it was added, wherever it is fetched from.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Entry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

const text = readFileSync('package-lock.json', 'utf8');
const { packages } = JSON.parse(text) as { packages: Record<string, Entry> };
const installed = Object.entries(packages).filter(([path, { link }]) => path !== '' && !link);

test('every package has a checksum', () => {
  expect(installed.length).toBeGreaterThan(400);
  const without = installed.filter(
    ([, { integrity }]) => integrity === undefined || !/^sha512-[\w+/]{86}==$/.test(integrity),
  );
  expect(without.map(([path]) => path)).toEqual([]);
});

test('no registry is named: neither for a package nor for all', () => {
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  expect(text).not.toMatch(/registry|\.tgz/);
  expect(readFileSync('.npmrc', 'utf8')).not.toMatch(/^(?:@.*:)?registry *=/m);
});
