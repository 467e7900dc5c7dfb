import { createLineRanges } from './line-ranges.ts';
import type { RecordFile, RefusedRow } from './record-lines.ts';
import type { Reject } from './rejects.ts';

type Told = Readonly<Record<string, unknown>>;

/** Gathers what becomes of every line, and says it at the end, however the import ends. */
export interface ImportOutcome {
  refused(row: RefusedRow): Reject;
  /** A line of the answer: the rejects that it tells of, each once it is asked for. */
  told(line: Told): Iterable<Reject>;
  /** The file cannot be read on: what begins at this line is not sent. */
  stoppedAt(line: number, reason: string): void;
  /** The answer ended before its summary. */
  brokeOff(reason: string): void;
  readonly summary: ImportSummary;
  /** The first reasons, for people. */
  readonly reasons: readonly string[];
  /** How many are named by line. */
  readonly listed: number;
}

export interface ImportSummary extends Told {
  readonly success: boolean;
  readonly read: number;
  readonly rejected: number;
  readonly failed: number;
  readonly warnings: readonly unknown[];
  /** Of the fates that are named by line; every other record is written or unchanged. */
  readonly lines: Readonly<Record<string, string>>;
  /** Where the file could not be read on. */
  readonly stopped?: { readonly line: number; readonly reason: string };
}

/** The code of a summary that is ours, because the service's did not come. */
export const BROKE_OFF = 'answer_broke_off';
const MAX_REASONS = 10;
const FATES = ['rejected', 'failed', 'superseded'] as const;

export function createImportOutcome(records: RecordFile): ImportOutcome {
  const lines = {
    rejected: createLineRanges(),
    failed: createLineRanges(),
    superseded: createLineRanges(),
  };
  const reasons: string[] = [];
  let progress: Told = {};
  let summary: Told | undefined;
  let refusedRows = 0;
  let listed = 0;
  let stopped: { line: number; reason: string } | undefined;
  let broken = 'it ended early';

  function note(reject: Reject, reason: string): void {
    listed += 1;
    if (reasons.length >= MAX_REASONS) return;
    const { line, id } = reject;
    const who = typeof id === 'string' || typeof id === 'number' ? ` (${id})` : '';
    reasons.push(`line ${line}${who}: ${reason}`);
  }

  /** What the service could not tell line by line, because we did not read fast enough. */
  function* unlisted(told: Told): Generator<Reject> {
    for (const group of listOf(told['unlisted']).filter(isObject)) {
      const fate = FATES.find((name) => name === group['fate']);
      if (fate === undefined) continue;
      for (const range of listOf(group['ranges'])) {
        const [from = Number.NaN, to = Number.NaN] = listOf(range).map(Number);
        if (!(from <= to)) continue;
        lines[fate].add(from, to - from + 1);
        if (fate === 'superseded' || group['exact'] !== true) continue;
        const reason = String(group['reason']);
        for (let line = from; line <= to; line += 1) {
          const reject = { line, fate, reason };
          note(reject, reason);
          yield reject;
        }
      }
    }
  }

  function whatIsUnknown(): string {
    return `The answer broke off before its summary (${broken}). Records that it has not told of may be written or not: send the file again, writes are idempotent.`;
  }

  return {
    refused(row) {
      refusedRows += 1;
      lines.rejected.add(row.line, row.lines);
      const { line, message } = row;
      const errors = [{ attribute: 'record', rule: 'csv', message }];
      const more = row.lines > 1 ? { lastLine: line + row.lines - 1 } : {};
      const reject = { line, ...more, id: null, fate: 'rejected', errors } as const;
      note(reject, message);
      return reject;
    },
    *told(told) {
      if (isObject(told['progress'])) progress = told['progress'];
      if (isObject(told['summary'])) {
        summary = told['summary'];
        yield* unlisted(summary);
      }
      for (const fate of FATES) {
        const facts = told[fate];
        if (!isObject(facts)) continue;
        const line = Number(facts['line']);
        lines[fate].add(line);
        if (fate === 'superseded') continue;
        const reject = { ...facts, fate, line };
        note(reject, reasonOf(facts));
        yield reject;
      }
    },
    stoppedAt(line, reason) {
      stopped = { line, reason };
    },
    brokeOff(reason) {
      broken = reason;
    },
    get summary() {
      // The list of allowed attributes is long, and `GET /attributes` has it for those who ask.
      const {
        allowedAttributes: _,
        unlisted: _ranges,
        ...facts
      } = summary ?? { success: false, ...progress };
      const named = FATES.map((fate) => [fate, lines[fate].toString()] as const);
      const isWhole = summary !== undefined && stopped === undefined && refusedRows === 0;
      const { dialect, encoding } = records;
      return {
        ...facts,
        success: facts['success'] === true && isWhole,
        ...(facts['status'] === 200 && refusedRows > 0 ? { status: 207 } : {}),
        read: countOf(facts['read']) + refusedRows,
        rejected: countOf(facts['rejected']) + refusedRows,
        failed: countOf(facts['failed']),
        warnings: [...listOf(facts['warnings']), ...shortRows(records.short)],
        lines: {
          ...Object.fromEntries(named.filter(([, text]) => text !== '')),
          ...(stopped === undefined ? {} : { notSent: `${stopped.line}-` }),
        },
        file: { encoding, ...(dialect === undefined ? {} : { delimiter: dialect.delimiter }) },
        ...(stopped === undefined ? {} : { stopped }),
        ...(summary === undefined ? { error: { code: BROKE_OFF, message: whatIsUnknown() } } : {}),
      };
    },
    reasons,
    get listed() {
      return listed;
    },
  };
}

function shortRows({ rows, firstLine }: RecordFile['short']): string[] {
  if (rows === 0) return [];
  const which =
    rows === 1 ? `Line ${firstLine} has` : `${rows} lines, the first ${firstLine}, have`;
  return [`${which} fewer cells than the header; the missing ones count as empty`];
}

function reasonOf({ errors, error, code }: Told): string {
  if (typeof error === 'string') return `${error.replace(/\.$/, '')} (${String(code)})`;
  return listOf(errors)
    .filter(isObject)
    .map(({ attribute, message }) => `${String(attribute)} ${String(message)}`)
    .join('; ');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

export function isObject(value: unknown): value is Told {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
