import { ConfigError, messageOf } from '../../errors.ts';
import { holdToExamples, type RunExamples } from './hold-to-examples.ts';
import { type LiveFile, type LiveFileOptions, openLiveFile } from './live-file.ts';
import { readText } from './read-text.ts';

/** A file that operators write. */
export interface ConfigFile<T> {
  readonly path: string;
  /** The setting that names it. */
  readonly setting: string;
  /** Of the ConfigError when its text is wrong. */
  readonly code: string;
  /** Throws when the text is wrong; its messages need not name the file. */
  readonly parse: (text: string, version: string) => T | Promise<T>;
}

/** Reads a file that counts as it is at the start. @throws ConfigError as `openConfigFile` does. */
export async function readConfigFile<T>(file: ConfigFile<T>): Promise<T> {
  return naming(file, async () => parsed(file, await readText(file.path), ''));
}

/**
 * Opens a file that may be edited while the service runs.
 *
 * @throws ConfigError with the file's code and its name before each problem; with the setting when
 *   it cannot be read. Broken edits later have the name of the file too.
 * @param examples an edit is taken over only when those beside the file hold.
 */
export async function openConfigFile<T>(
  file: ConfigFile<T> & Omit<LiveFileOptions<T>, keyof ConfigFile<T> | 'accept'>,
  examples?: RunExamples<T>,
): Promise<LiveFile<T>> {
  const parse = (text: string, version: string) => parsed(file, text, version);
  const accept = examples && ((value: T) => holdToExamples(value, file.path, examples));
  return naming(file, () => openLiveFile({ ...file, accept, parse }));
}

async function naming<T>({ setting }: ConfigFile<unknown>, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`${setting}: ${messageOf(error)}`], { cause: error });
  }
}

async function parsed<T>(file: ConfigFile<T>, text: string, version: string): Promise<T> {
  try {
    return await file.parse(text, version);
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [messageOf(error)];
    throw new ConfigError(
      problems.map((problem) => `${file.path}: ${problem}`),
      { code: error instanceof ConfigError ? error.code : file.code, cause: error },
    );
  }
}

/** @throws ConfigError with line and column. */
export function parseJson(text: string, code: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError([`not JSON: ${messageOf(error)}`], { code, cause: error });
  }
}
