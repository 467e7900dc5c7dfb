// Writes what follows from src/settings/: .env.example and the tables in README.md and
// docs/configuration.md.
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

/** Which documents have the tables. */
export const DOCUMENTS = ['README.md', 'docs/configuration.md'];

const START = '<!-- settings: made by `npm run docs:settings` -->';
const END = '<!-- /settings -->';

function all(): [SettingName, Setting][] {
  return Object.entries(settings) as [SettingName, Setting][];
}

function allowed(setting: Setting): string {
  if (setting.enum !== undefined) return setting.enum.join(', ');
  if (setting.type === 'integer') return `${setting.minimum ?? ''} … ${setting.maximum ?? ''}`;
  return setting.type === 'boolean' ? 'true, false' : '';
}

/** `.env.example`: every setting with its default, commented out. */
export function environmentExample(): string {
  const lines = [
    '# Every setting of Interaction Bridge with its default. Copy to .env and change what you need.',
    '# Without Genesys credentials, outside production, an embedded sandbox is used instead.',
    '# AWS credentials are not settings of ours: the SDK finds them (environment, profile, role).',
  ];
  let group = '';
  for (const [name, setting] of all()) {
    if (setting.group !== group) {
      group = setting.group;
      lines.push('', `# --- ${group} ---`);
    }
    const limits = allowed(setting);
    lines.push(`# ${setting.description}${limits === '' ? '' : ` [${limits}]`}`);
    lines.push(`#${name}=${setting.default === undefined ? '' : String(setting.default)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The settings as Markdown tables, one for each group. */
export function settingsTables(): string {
  const cell = (value: string) => value.replaceAll('|', '\\|');
  const parts: string[] = [];
  let group = '';
  for (const [name, setting] of all()) {
    if (setting.group !== group) {
      group = setting.group;
      parts.push(
        '',
        `**${group}**`,
        '',
        '| name | default | allowed | meaning |',
        '|---|---|---|---|',
      );
    }
    const standard = setting.default === undefined ? '' : `\`${String(setting.default)}\``;
    const secret = setting.secret === true ? ' (secret)' : '';
    parts.push(
      `| \`${name}\` | ${cell(standard)} | ${cell(allowed(setting))} | ${cell(setting.description)}${secret} |`,
    );
  }
  return parts.join('\n').trim();
}

/** A document with the settings between its markers replaced by what is true now. */
export function withSettings(document: string): string {
  const start = document.indexOf(START);
  const end = document.indexOf(END);
  if (start === -1 || end < start) throw new Error('A document has lost its settings markers');
  return `${document.slice(0, start)}${START}\n\n${settingsTables()}\n\n${document.slice(end)}`;
}

if (import.meta.main) {
  writeFileSync('.env.example', environmentExample());
  for (const path of DOCUMENTS) writeFileSync(path, withSettings(readFileSync(path, 'utf8')));
}
