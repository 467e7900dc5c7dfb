import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** What the check says of a source tree of these files. */
function check(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'shape-'));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['tools/check-shape.mjs', root, '--house'],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  const failed = Array.from(stdout.matchAll(/^(\w[^\d]+?) +\d+ .*FAILS$/gm), ([, what]) => what);
  return { status, failed, said: stdout.replaceAll(`${root}/`, '') };
}

/** A function of so many lines, in each of the forms that a function has. */
const lines = (count: number) => '  one();\n'.repeat(count - 2);
const FORMS: Readonly<Record<string, (count: number) => string>> = {
  declaration: (count) => `export async function f() {\n${lines(count)}}\n`,
  arrow: (count) => `export const f = () => {\n${lines(count)}};\n`,
  expression: (count) => `export const f = function* () {\n${lines(count)}};\n`,
  'method of an object': (count) => `export const o = { get f() {\n${lines(count)}} };\n`,
  'method of a class': (count) => `export class C { #f() {\n${lines(count)}} }\n`,
  constructor: (count: number) => `export class C { constructor() {\n${lines(count)}} }\n`,
  callback: (count) => `run(() => {\n${lines(count)}});\n`,
};
const small = 'export function f() {\n  return 1;\n}\n'.repeat(8);

test('small folders, files and functions pass', () => {
  expect(check({ 'a.ts': small, 'b/c.ts': small })).toMatchObject({ status: 0, failed: [] });
});

test.each(Object.entries(FORMS))(
  'a function of 121 lines is named, one of 120 is not: %s',
  (_form, write) => {
    // Letters of more than one byte must not shift where it stands.
    const file = (count: number) => `// é → 😀\n${write(count)}${small}`;
    const { status, failed, said } = check({ 'a.ts': file(121), 'b.ts': file(120) });
    expect(failed).toEqual(['lines of the longest function']);
    expect(said).toContain('  a.ts:2: 121\n');
    expect(said).not.toContain('b.ts');
    expect(status).toBe(1);
  },
);

test('a long file, a full folder, and functions that are long as a rule, are named', () => {
  const long = check({
    'a.ts': `${'\n'.repeat(277)}${small}`,
    'b.ts': `${'\n'.repeat(276)}${small}`,
  });
  expect(long.failed).toEqual(['lines of the longest file']);
  expect(long.said).toContain('  a.ts: 301\n');
  expect(long.said).not.toContain('b.ts');

  const sixteen = Object.fromEntries(
    Array.from({ length: 16 }, (_, n): [string, string] => [`room/${n}.ts`, small]),
  );
  const few = { 'x/a.ts': small, 'y/a.ts': small };
  expect(check({ ...sixteen, ...few }).failed).toEqual([]);
  const full = check({ ...sixteen, 'room/more.ts': small, ...few });
  expect(full.failed).toEqual(['files in the largest folder']);
  expect(full.said).toContain('room: 17\n');
  expect(check(sixteen).failed).toEqual(['files in the median folder']);

  const ten = FORMS['declaration']?.(10) ?? '';
  expect(check({ 'a.ts': ten.repeat(9) + small }).failed).toEqual(['lines of the median function']);
});

test('more lines than before fail', () => {
  const file = `${'\n'.repeat(270)}${small}`;
  const many = Array.from({ length: 90 }, (_, n): [string, string] => [`${n % 18}/${n}.ts`, file]);
  expect(check(Object.fromEntries(many)).failed).toEqual(['lines']);
});
