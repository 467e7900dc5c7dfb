import { existsSync } from 'node:fs';
import { ConfigError } from '../../errors.ts';
import { readText } from './read-text.ts';

/** What became of one example beside a configuration file. */
export interface ExampleResult {
  readonly name: string;
  readonly ok: boolean;
  /** What was expected and what came, when it is not ok. */
  readonly diff?: string;
}

/** Runs the examples of a text on what a configuration file says. */
export type RunExamples<T> = (
  value: T,
  text: string,
) => readonly ExampleResult[] | Promise<readonly ExampleResult[]>;

/** Where the examples of a configuration file lie: `crm-mapping.test.json` beside it. */
export function examplesFileOf(path: string): string {
  return `${path.replace(/\.[^./\\]+$/, '')}.test.json`;
}

/** @throws ConfigError `examples_fail` with each example that does not hold; none is fine. */
export async function holdToExamples<T>(
  value: T,
  path: string,
  run: RunExamples<T>,
): Promise<void> {
  const examplesFile = examplesFileOf(path);
  if (!existsSync(examplesFile)) return;
  const results = await run(value, await readText(examplesFile));
  const problems = results.flatMap(({ name, ok, diff = '' }) =>
    ok ? [] : [`${path}: the example "${name}" of ${examplesFile} fails: ${diff}`],
  );
  if (problems.length > 0) throw new ConfigError(problems, { code: 'examples_fail' });
}
