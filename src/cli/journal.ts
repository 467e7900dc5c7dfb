// `node dist/main.js --journal-rescue file` and `--journal-restore file`: what is unsettled in a
// journal that the service refuses, out of it and into a new one. Needs nothing but the service.
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { ConfigError, coerceError } from '../errors.ts';
import { letterOfItem } from '../events/dead-letters/letter.ts';
import { eventIdOf, keyOfEvent } from '../events/event-id.ts';
import { createJournal, type Journal, type NewEvent } from '../events/journal/journal.ts';
import { type Salvaged, salvage } from '../events/journal/salvage.ts';
import { readJson } from '../lib/json/exact-json.ts';
import type { Environment } from '../settings/load-config.ts';
import { loadOfflineSettings } from './offline-settings.ts';

const USAGE = `Usage: node dist/main.js --journal-rescue file.ndjson | --journal-restore file.ndjson
  --journal-rescue   writes what is unsettled in JOURNAL_PATH to a new file; changes nothing else
  --journal-restore  makes a new journal at JOURNAL_PATH of such a file
Exit code: 0 done, 1 it failed and nothing was changed, 2 these arguments make no sense
`;

type Line = Salvaged | ({ readonly kind: 'end' } & Counts);

interface Counts {
  events: number;
  letters: number;
  damaged: number;
}

export interface JournalCommandOptions {
  readonly write?: (text: string) => void;
  /** How long to wait for another process to let go of the journal, in milliseconds. */
  readonly busyTimeoutMs?: number;
}

/** @returns the exit code. */
export async function journalCommand(
  environment: Environment,
  args: readonly string[],
  options: JournalCommandOptions = {},
): Promise<number> {
  const write = options.write ?? ((text: string) => void process.stdout.write(text));
  const [command, file] = args;
  const known = command === '--journal-rescue' || command === '--journal-restore';
  if (!known || file === undefined || args.length > 2) {
    write(USAGE);
    return 2;
  }
  // Only this one: whatever else is wrong with the settings is no reason to save nothing.
  const path = loadOfflineSettings({ JOURNAL_PATH: environment['JOURNAL_PATH'] }).config
    .JOURNAL_PATH;
  try {
    const counts =
      command === '--journal-rescue'
        ? rescue(path, file, options.busyTimeoutMs)
        : await restore(path, file);
    const verb = command === '--journal-rescue' ? 'Saved' : 'Restored';
    write(
      `${verb}: ${counts.events} events, ${counts.letters} letters, ${counts.damaged} with damaged text\n`,
    );
    return 0;
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [coerceError(error).message];
    write(`${problems.join('\n')}\n`);
    return 1;
  }
}

/** @throws when the journal cannot be read or the file not be written; then there is no file. */
function rescue(path: string, target: string, busyTimeoutMs?: number): Counts {
  const counts: Counts = { events: 0, letters: 0, damaged: 0 };
  const file = openSync(target, 'wx', 0o600);
  try {
    for (const row of salvage(path, busyTimeoutMs)) {
      count(counts, row);
      writeLine(file, row);
    }
    writeLine(file, { kind: 'end', ...counts });
    fsyncSync(file);
  } catch (error) {
    rmSync(target, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return counts;
}

function writeLine(file: number, line: Line): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function count(counts: Counts, { kind }: Line): void {
  if (kind === 'event') counts.events += 1;
  if (kind === 'letter') counts.letters += 1;
  if (kind === 'damaged') counts.damaged += 1;
}

const BATCH = 256;

/** The new journal is in its place only when all of it is in there. */
async function restore(path: string, source: string): Promise<Counts> {
  for (const there of [path, `${path}-wal`]) {
    if (existsSync(there)) throw new Error(`${there} is there: move it away first`);
  }
  const building = `${path}.restoring`;
  const remove = () => {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(building + end, { force: true });
  };
  remove();
  const limits = { maxBytes: Infinity, maxRows: Infinity, dedupeRows: 1_000_000 };
  const journal = createJournal({ path: building, ...limits });
  try {
    const counts = await fill(journal, source);
    journal.close();
    renameSync(building, path);
    return counts;
  } catch (error) {
    journal.close();
    remove();
    throw error;
  }
}

async function fill(journal: Journal, source: string): Promise<Counts> {
  const counts: Counts = { events: 0, letters: 0, damaged: 0 };
  let take: NewEvent[] = [];
  let letters: string[] = [];
  let end: Line | undefined;
  let number = 0;
  const flush = () => {
    journal.write({ take, letters });
    take = [];
    letters = [];
  };
  const input = createReadStream(source);
  const failed = new Promise<never>((_resolve, reject) => void input.once('error', reject));
  const lines = createInterface({ input, crlfDelay: Infinity });
  const read = async () => {
    for await (const text of lines) {
      number += 1;
      const line = parse(text, `${source}: line ${number}`);
      if (line.kind === 'end') end = line;
      else if (line.kind === 'state') journal.remember(line.name, line.value);
      else if (line.kind === 'event') take.push({ ...line, key: keyOf(line.raw) });
      else letters.push(line.kind === 'letter' ? line.body : letterOfDamaged(line.bytes));
      count(counts, line);
      if (take.length + letters.length >= BATCH) flush();
    }
  };
  await Promise.race([read(), failed]);
  flush();
  if (end?.kind !== 'end') throw new Error(`${source} is cut off: its last line is missing`);
  const { events, letters: sent, damaged } = end;
  if (events !== counts.events || sent !== counts.letters || damaged !== counts.damaged) {
    throw new Error(`${source} is not whole: its last line says that there are ${events} events`);
  }
  return counts;
}

function parse(text: string, where: string): Line {
  try {
    const line = JSON.parse(text) as Line;
    if (/^(?:event|letter|damaged|state|end)$/.test(line.kind)) return line;
  } catch {
    // Said below.
  }
  throw new Error(`${where} is none of --journal-rescue`);
}

const keyOf = (raw: string) => keyOfEvent(readJson(raw) as Record<string, unknown>);

function letterOfDamaged(bytes: string): string {
  const message = 'The text was damaged in the journal; here it is in Base64';
  const why = { stage: 'read', code: 'malformed_line', message } as const;
  return JSON.stringify(letterOfItem(bytes, eventIdOf(undefined), why, Date.now()));
}
