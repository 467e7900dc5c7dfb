// `npm run check-config` and `node dist/main.js --check`: settings, configuration files with their
// examples, and the remote services.
import { parseArgs } from 'node:util';
import { coerceError } from '../../errors.ts';
import type { Config, Environment } from '../../settings/load-config.ts';
import { type CheckResult, checkConfiguration } from './check-configuration.ts';

const USAGE = `Usage: npm run check-config -- [--offline] [--json]
  --offline  do not ask the remote services
  --json     print the results as JSON
Exit code: 0 all is well, 1 something failed, 2 these arguments make no sense
`;

export interface CheckAllOptions {
  readonly checkRemote?: (config: Config) => Promise<readonly CheckResult[]>;
  readonly write?: (text: string) => void;
}

/** Checks, prints, and says how it went. @returns the exit code. */
export async function checkAll(
  environment: Environment,
  args: readonly string[],
  options: CheckAllOptions = {},
): Promise<number> {
  const write = options.write ?? ((text: string) => void process.stdout.write(text));
  const flag = { type: 'boolean', default: false } as const;
  let flags: { json: boolean; offline: boolean };
  try {
    ({ values: flags } = parseArgs({
      args: [...args],
      options: { json: flag, offline: flag, check: flag },
    }));
  } catch (error) {
    write(`${coerceError(error).message}\n\n${USAGE}`);
    return 2;
  }
  const results = await checkConfiguration({
    environment,
    checkRemote: flags.offline ? undefined : options.checkRemote,
  });
  write(flags.json ? `${JSON.stringify(results, null, 2)}\n` : tableOf(results));
  return results.some(({ status }) => status === 'failed') ? 1 : 0;
}

/** Most messages begin with what they are about. */
function sentence(subject: string, message = ''): string {
  if (message === '') return subject;
  return message.startsWith(subject) ? message : `${subject}: ${message}`;
}

function tableOf(results: readonly CheckResult[]): string {
  const width = Math.max(...results.map(({ area }) => area.length));
  const lines = results.map(({ area, subject, status, message, diff }) => {
    const mark = status === 'failed' ? 'FAILED ' : status.padEnd(7);
    const line = `${mark}  ${area.padEnd(width)}  ${sentence(subject, message)}`;
    return diff === undefined ? line : `${line}\n${indent(diff)}`;
  });
  const failed = results.filter(({ status }) => status === 'failed').length;
  const summary = failed === 0 ? 'all is well' : `${failed} failed`;
  return `${lines.join('\n')}\n\n${results.length} checks, ${summary}\n`;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '         ');
}
