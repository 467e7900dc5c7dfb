import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

// A rule that cannot fail is no rule: for each one an import that it must refuse.
const REFUSED: Readonly<Record<string, readonly [from: string, to: string]>> = {
  'no-circular': ['src/lib/a.ts', 'src/lib/b.ts'],
  'lib-knows-only-the-kinds-of-failure': ['src/lib/c.ts', 'src/events/x.ts'],
  'domains-know-lib-errors-and-their-own-ports': ['src/attributes/a.ts', 'src/genesys/x.ts'],
  'domains-use-no-remote-client': ['src/events/a.ts', 'undici'],
  'adapters-implement-ports-only': ['src/aws/a.ts', 'src/events/publish/x.ts'],
  'http-calls-use-cases': ['src/http/a.ts', 'src/aws/x.ts'],
  'only-main-starts-the-sandbox': ['src/app.ts', 'src/sandbox/x.ts'],
  'sandbox-stands-alone': ['src/sandbox/a.ts', 'src/errors.ts'],
  'the-pipeline-decides-and-does-nothing': ['src/events/pipeline/a.ts', 'src/events/journal/x.ts'],
  'journal-and-publish-know-only-the-event': ['src/events/journal/a.ts', 'src/events/publish/x.ts'],
  'a-simulation-can-publish-nothing': ['src/events/simulation/a.ts', 'src/events/publish/x.ts'],
  'letters-do-not-publish': ['src/events/dead-letters/a.ts', 'src/events/publish/x.ts'],
  'numbers-only-count': ['src/events/telemetry/a.ts', 'src/events/publish/x.ts'],
  'map-and-report-share-definitions-only': [
    'src/attributes/report/a.ts',
    'src/attributes/upsert/x.ts',
  ],
  'mapping-and-upsert-do-not-meet': ['src/attributes/mapping/a.ts', 'src/attributes/upsert/x.ts'],
  'only-routes-know-use-cases': ['src/http/auth/a.ts', 'src/events/x.ts'],
  'the-door-knows-no-route': ['src/http/limits/a.ts', 'src/http/routes/x.ts'],
  'only-the-root-reads-settings': ['src/genesys/a.ts', 'src/settings/x.ts'],
  'nobody-calls-the-command-line': ['src/wiring/a.ts', 'src/cli/x.ts'],
  'only-the-root-wires': ['src/signals.ts', 'src/wiring/x.ts'],
  'tokens-know-no-call': ['src/genesys/tokens/a.ts', 'src/genesys/reference/x.ts'],
  'look-alikes-do-not-share': ['src/sandbox/aws/a.ts', 'src/sandbox/genesys/x.ts'],
  'no-dev-dependency-at-run-time': ['src/lib/d.ts', 'vitest'],
  resolvable: ['src/lib/e.ts', 'src/lib/nowhere.ts'],
};

const CONFIG = '.dependency-cruiser.json';
const folder = mkdtempSync(join(tmpdir(), 'import-rules-'));
/** `<rule>: <file>` for each import that was refused. */
let refused: readonly string[] = [];

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text, { flag: 'a' });
}

beforeAll(() => {
  copyFileSync(CONFIG, join(folder, CONFIG));
  copyFileSync('package.json', join(folder, 'package.json'));
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  for (const [from, to] of Object.values(REFUSED)) {
    if (to.startsWith('src/') && to !== 'src/lib/nowhere.ts') write(to, 'export {};\n');
    write(from, `import '${to.startsWith('src/') ? resolve(folder, to) : to}';\n`);
  }
  write('src/lib/b.ts', `import './a.ts';\n`);
  const depcruise = resolve('node_modules/.bin/depcruise');
  const report = execFileSync(process.execPath, [depcruise, 'src', '--output-type', 'json'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const { summary } = JSON.parse(report) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  refused = summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('knows an import that each rule refuses', () => {
  const { forbidden } = JSON.parse(readFileSync(CONFIG, 'utf8')) as {
    forbidden: { name: string }[];
  };
  expect(forbidden.map(({ name }) => name).sort()).toEqual(Object.keys(REFUSED).sort());
});

it.each(Object.entries(REFUSED))('%s refuses %j', (rule, [from]) => {
  expect(refused).toContain(`${rule}: ${from}`);
});
