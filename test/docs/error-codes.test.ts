// docs/errors.md and the source name the same error codes.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('sandbox'))
  .map((file) => ({ file, text: readFileSync(`src/${file}`, 'utf8') }));
const document = readFileSync('docs/errors.md', 'utf8');

/** Words in the first column of the tables. */
const documented = new Set(
  document
    .split('\n')
    .flatMap((line) => /^\| (`[^|]+) \|/.exec(line)?.[1] ?? [])
    .flatMap((cell) => [...cell.matchAll(/`([a-z0-9_]+)`/g)].map(([, code = '']) => code)),
);

/** `code: 'x'`, `code = a ? 'x' : 'y'`, `new Problem(400, 'x', …)`, and who makes one of several. */
const SHAPES = [
  /\bcode\b\??\s*(?::|=(?!=))\s*([^,;{}\n]*)/g,
  /\bnew Problem\(\s*\d+,\s*('[^']+')/g,
  /\b(?:make|invalid|failed|failure|refuse|rejection\(\s*'\w+',)\(?\s*('[a-z0-9_]+')/g,
];
/** `code: cond === 'word' ? …` compares, `reason`s of metrics and `OAuth`'s own words are no codes. */
const NO_CODES = new Set([
  'code',
  'error',
  'other',
  'unknown',
  'no_credentials',
  'unknown_key',
  'too_long',
]);

function codesOf({ file, text }: { file: string; text: string }): string[] {
  if (file === 'aws/sdk/failure.ts') return awsCodes(text);
  const codes: string[] = [];
  for (const shape of SHAPES) {
    for (const [, found = ''] of text.matchAll(shape)) {
      const words = found.replaceAll(/[!=]== '[^']*'/g, '').matchAll(/'([a-z][a-z0-9_]+)'/g);
      for (const [, word = ''] of words) codes.push(word);
    }
  }
  return codes.filter((code) => !NO_CODES.has(code));
}

/** There a code is `<service>_<verdict>`; some verdicts belong to one service alone. */
function awsCodes(text: string): string[] {
  const services = [...text.matchAll(/^ {2}(\w+): '/gm)].map(([, service = '']) => service);
  const common = [...text.matchAll(/Verdict = \{ code: '(\w+)'/g)].map(([, code = '']) => code);
  const own = [...text.matchAll(/^ {2}(\w+): new Map\(\s*pairs\(\s*\{ code: '(\w+)'/gm)];
  return [
    ...services.flatMap((service) => common.map((code) => `${service}_${code}`)),
    ...own.map(([, service, code]) => `${service}_${code}`),
  ];
}

/** Compound words between quotes, but not where the code says that they are something else. */
function compoundWords(text: string): string[] {
  return [...text.matchAll(/(\w+:|\w+\(|\['|)\s*'([a-z][a-z0-9]*(?:_[a-z0-9]+)+)'/g)]
    .filter(([, before = '']) => !/^(?:name|operation|counter|gauge)[:(]$/.test(before))
    .map(([, , word = '']) => word);
}

/** Compound words that are no error codes, by what they are. */
const OTHER_WORDS = new Set(
  [
    'npm_lifecycle_event',
    // OAuth, and secrets that the logger hides.
    'access_token refresh_token client_secret token_type expires_in error_description jwt_bearer',
    'client_credentials invalid_client invalid_grant invalid_scope unauthorized_client unsupported_grant_type',
    // Signatures of AWS.
    'aws4_request',
    // Metrics whose names stand in tables.
    'pipeline_bus_open pipeline_buffer_open pipeline_latency_seconds pipeline_buffer_take_seconds',
    'pipeline_holds_total pipeline_holds_given_back_total pipeline_buffer_unreadable_total',
    'pipeline_poisoned_total pipeline_buffer_letters_refused_total',
    // Members of a JSON Web Key.
    'key_ops',
    // Columns of the journal and of CSV reports; kinds of readiness, simulations and replays.
    'application_id user_version event_id taken_at waiting_since',
    'defined_never_filled filled_not_defined distinct_exact first_day last_day top_values',
    'time_zone partial_days',
    'not_ready validation_failed held_back held_by_others',
    // Labels of metrics.
    'dry_run not_attempted event_loop in_flight new_token no_credentials unknown_key too_long',
    // Attributes in examples of the interface.
    'crm_ticket_id crm_ticket_priority crm_channel_source',
  ].flatMap((words) => words.split(' ')),
);

test('every code of the source is documented', () => {
  const missing = sources.flatMap((source) =>
    codesOf(source)
      .filter((code) => !documented.has(code))
      .map((code) => `${source.file}: ${code}`),
  );
  expect(missing).toEqual([]);
});

test('every documented code is in the source', () => {
  const inSource = new Set(
    sources.flatMap(({ file, text }) => [
      ...codesOf({ file, text }),
      ...[...text.matchAll(/'([a-z][a-z0-9_]+)'/g)].map(([, word = '']) => word),
    ]),
  );
  expect(documented.size).toBeGreaterThan(100);
  expect([...documented].filter((code) => !inSource.has(code))).toEqual([]);
});

test('no word that looks like a code stands in the source without a meaning', () => {
  const words = sources
    .filter(({ file }) => file !== 'aws/sdk/failure.ts')
    .flatMap(({ file, text }) => compoundWords(text).map((word) => `${file}: ${word}`))
    .filter((found) => {
      const word = found.slice(found.lastIndexOf(' ') + 1);
      // A code, a setting's value, a word of the list, or a word that errors.md explains.
      return !documented.has(word) && !OTHER_WORDS.has(word) && !document.includes(`\`${word}\``);
    });
  expect(words, 'an error code? describe it in docs/errors.md; else add it to OTHER_WORDS').toEqual(
    [],
  );
});

test('links between the documents lead to headings that exist', () => {
  for (const file of readdirSync('docs').filter((name) => name.endsWith('.md'))) {
    const text = readFileSync(`docs/${file}`, 'utf8');
    for (const [, target = '', anchor = ''] of text.matchAll(/\]\((\w+\.md)?#([\w-]+)\)/g)) {
      const headings = readFileSync(`docs/${target || file}`, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('#'))
        .map((line) =>
          line
            .replace(/^#+ /, '')
            .toLowerCase()
            .replaceAll(/[^\w -]/g, '')
            .replaceAll(' ', '-'),
        );
      expect(headings, `${file} links to ${target}#${anchor}`).toContain(anchor);
    }
  }
});
