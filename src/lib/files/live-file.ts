import { createHash } from 'node:crypto';
import { unwatchFile, watchFile } from 'node:fs';
import { coerceError } from '../../errors.ts';
import type { DependencyReporter } from '../health/health.ts';
import type { Logger } from '../logger.ts';
import { readText } from './read-text.ts';

export interface LiveFileOptions<T> {
  readonly path: string;
  /** Throws when the text is wrong; the message goes to the log as it is. */
  readonly parse: (text: string, version: string) => T | Promise<T>;
  /** Asked before an edit is taken over; throws to refuse it. */
  readonly accept?: ((value: T) => void | Promise<void>) | undefined;
  readonly log: Logger;
  /** How often the file is looked at, in milliseconds. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Gets which version is in use, and what is wrong with a broken edit. */
  readonly reporter?: DependencyReporter | undefined;
  /** Must not throw. */
  readonly onChange?: ((value: T) => void) | undefined;
}

/**
 * A configuration file that operators edit while the service runs. A good edit replaces the value;
 * a broken one is logged, reported, shows in `lastError`, and the last good value stays.
 */
export interface LiveFile<T> {
  readonly current: T;
  /** The text in use. */
  readonly text: string;
  /** First 12 hex digits of the SHA-256 of the text in use. */
  readonly version: string;
  readonly lastError: Error | undefined;
  /** Looks now; resolves to whether the file in use changed. */
  reload(): Promise<boolean>;
  stop(): void;
}

/** Loads the file for the first time. @throws what `parse` throws, or the error of reading it. */
export async function openLiveFile<T>(options: LiveFileOptions<T>): Promise<LiveFile<T>> {
  const { path, log, reporter, pollMs = 1000 } = options;

  async function load(): Promise<{ value: T; text: string; version: string }> {
    const text = await readText(path);
    const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
    return { value: await options.parse(text, version), text, version };
  }

  let { value, text, version } = await load();
  let lastError: Error | undefined;
  let failedText: string | undefined;
  let stopped = false;
  let again: NodeJS.Timeout | undefined;
  reporter?.up(`version ${version}`);

  async function loadAgain(): Promise<boolean> {
    try {
      const next = await load();
      if (next.version !== version) await options.accept?.(next.value);
      if (stopped) return false;
      lastError = undefined;
      failedText = undefined;
      reporter?.up(`version ${next.version}`);
      if (next.version === version) return false;
      ({ value, text, version } = next);
      log.info({ file: path, version }, 'Configuration file reloaded');
      options.onChange?.(value);
      return true;
    } catch (error) {
      if (stopped) return false;
      lastError = coerceError(error);
      reporter?.down(lastError);
      if (failedText !== lastError.message) {
        failedText = lastError.message;
        log.error(
          { file: path, version, reason: lastError.message },
          'Configuration file is broken: the last good version stays in use',
        );
      }
      // What refuses it may lie in another file, whose edit is seen a moment later.
      clearTimeout(again);
      again = setTimeout(onPoll, pollMs).unref();
      return false;
    }
  }

  // One after the other: a slow parse of an older text must not win over a newer one.
  let last: Promise<boolean> = Promise.resolve(false);
  const reload = () => (last = last.then(loadAgain));

  // Polling sees what inotify misses: replaced symbolic links (Kubernetes) and network mounts.
  const onPoll = () => void reload();
  watchFile(path, { interval: pollMs, persistent: false }, onPoll);

  return {
    get current() {
      return value;
    },
    get text() {
      return text;
    },
    get version() {
      return version;
    },
    get lastError() {
      return lastError;
    },
    reload,
    stop() {
      stopped = true;
      clearTimeout(again);
      unwatchFile(path, onPoll);
    },
  };
}
