// npm run bench [-- map|events|scale|simulate|report|start ...] [--quick] [--profile]
// --quick: small sizes and one round, to see that everything works; its speeds say little.
// Each benchmark prints a table; all go to bench/results/<time>.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { printHottest, profileFolder } from './profile.ts';
import { type Bench, type BenchResult, median, printTable } from './result.ts';

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  start: () => import('./start.ts'),
  simulate: () => import('./simulate.ts'),
  map: () => import('./map.ts'),
  report: () => import('./report.ts'),
  events: () => import('./events.ts'),
  scale: () => import('./scale.ts'),
};

const quick = process.argv.includes('--quick');
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(
    `Unknown benchmark ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`,
  );
  process.exit(2);
}

// A stray server would measure something else, or never end.
process.on('unhandledRejection', (error) => {
  console.error(error);
  process.exit(1);
});

const results: BenchResult[] = [];
for (const [name, load] of Object.entries(BENCHES)) {
  if (names.length > 0 && !names.includes(name)) continue;
  console.log(`\n${name} ...`);
  const bench = await load();
  const result = await bench.run(quick);
  printTable(result);
  results.push(result);
}
if (profileFolder !== undefined) printHottest(profileFolder);

const folder = 'bench/results';
mkdirSync(folder, { recursive: true });
const file = `${folder}/${new Date().toISOString().replaceAll(':', '-')}.json`;
writeFileSync(
  file,
  JSON.stringify(
    {
      at: new Date().toISOString(),
      node: process.version,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      quick,
      profile: profileFolder !== undefined,
      results: results.map(({ bench, rows, notes }) => ({
        bench,
        notes,
        rows: rows.map((row) => Object.assign({ median: median(row.values) }, row)),
      })),
    },
    undefined,
    2,
  ),
);
console.log(`\nwritten to ${file}`);
