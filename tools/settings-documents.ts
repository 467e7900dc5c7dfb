// Writes what follows from src/settings/: .env.example, the table in docs/configuration.md and the
// short one in README.md.
// `npm run docs:settings` writes them; a test fails when they differ from what this makes.
import { readFileSync, writeFileSync } from 'node:fs';
import { type SettingName, settings } from '../src/settings/settings.ts';

interface Setting {
  readonly type: string;
  readonly group: string;
  readonly description: string;
  readonly default?: string | number | boolean;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly secret?: boolean;
}
type Row = readonly [SettingName, Setting];

/** What somebody has to think about before the service runs for real. */
const SHORT_LIST: readonly SettingName[] = [
  'NODE_ENV',
  'AUTH_MODE',
  'API_KEYS',
  'GENESYS_BASE_URL',
  'GENESYS_CLIENT_ID',
  'GENESYS_CLIENT_SECRET',
  'JOURNAL_PATH',
  'AWS_REGION',
  'EVENTBUS_NAME',
  'DLQ_QUEUE_URL',
];

/** What each document has between its markers. */
export const DOCUMENTS = {
  'README.md': () => table(SHORT_LIST.map((name) => [name, settings[name]])),
  'docs/configuration.md': () =>
    groups()
      .map(([heading, rows]) => `### ${heading}\n\n${table(rows)}`)
      .join('\n\n'),
};

const START = '<!-- settings: made by `npm run docs:settings` -->';
const END = '<!-- /settings -->';

function groups(): [string, Row[]][] {
  const rows = Object.entries(settings) as [SettingName, Setting][];
  return [...Map.groupBy(rows, ([, { group }]) => group)];
}

function allowed(setting: Setting): string {
  if (setting.enum !== undefined) return setting.enum.join(', ');
  if (setting.type === 'integer') return `${setting.minimum ?? ''} … ${setting.maximum ?? ''}`;
  return setting.type === 'boolean' ? 'true, false' : '';
}

function table(rows: readonly Row[]): string {
  const lines = ['| name | default | allowed | meaning |', '|---|---|---|---|'];
  for (const [name, setting] of rows) {
    const standard = setting.default === undefined ? '' : `\`${String(setting.default)}\``;
    const meaning = `${setting.description}${setting.secret === true ? ' (secret)' : ''}`;
    const cells = [`\`${name}\``, standard, allowed(setting), meaning];
    lines.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  }
  return lines.join('\n');
}

/** `.env.example`: every setting with its default, commented out. */
export function environmentExample(): string {
  const lines = [
    '# Every setting of Interaction Bridge with its default. Copy to .env and change what you need.',
    '# Without Genesys credentials, outside production, an embedded sandbox is used instead.',
    '# AWS credentials are not settings of ours: the SDK finds them (environment, profile, role).',
  ];
  for (const [heading, rows] of groups()) {
    lines.push('', `# --- ${heading} ---`);
    for (const [name, setting] of rows) {
      const limits = allowed(setting);
      lines.push(`# ${setting.description}${limits === '' ? '' : ` [${limits}]`}`);
      lines.push(`#${name}=${setting.default === undefined ? '' : String(setting.default)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** A document with what is between its markers replaced by what is true now. */
export function withSettings(document: string, path: keyof typeof DOCUMENTS): string {
  const start = document.indexOf(START);
  const end = document.indexOf(END);
  if (start === -1 || end < start) throw new Error(`${path} has lost its settings markers`);
  return `${document.slice(0, start)}${START}\n\n${DOCUMENTS[path]()}\n\n${document.slice(end)}`;
}

if (import.meta.main) {
  writeFileSync('.env.example', environmentExample());
  for (const path of Object.keys(DOCUMENTS) as (keyof typeof DOCUMENTS)[]) {
    writeFileSync(path, withSettings(readFileSync(path, 'utf8'), path));
  }
}
