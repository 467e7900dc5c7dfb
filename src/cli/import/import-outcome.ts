import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import { createLineRanges } from './line-ranges.ts';
import type { RecordFile, RefusedRow } from './record-lines.ts';
import type { Reject } from './rejects.ts';

/** Gathers what becomes of every line, and says it at the end, however the import ends. */
export interface ImportOutcome {
  refused(row: RefusedRow): Reject;
  /** A line of the answer: the rejects that it lists, each once it is asked for. */
  addLine(line: JsonObject): Iterable<Reject>;
  /** The file cannot be read on: what begins at this line is not sent. */
  stoppedAt(line: number, reason: string): void;
  /** The answer ended before its summary. */
  brokeOff(reason: string): void;
  readonly summary: ImportSummary;
  /** The first reasons, as sentences. */
  readonly reasons: readonly string[];
  /** How many are named by line. */
  readonly listed: number;
}

export interface ImportSummary extends JsonObject {
  readonly success: boolean;
  readonly read: number;
  readonly rejected: number;
  readonly failed: number;
  readonly warnings: readonly unknown[];
  /** Of the fates that are named by line; every other record is written or unchanged. */
  readonly lines: Readonly<Record<string, string | undefined>>;
  /** Where the file could not be read on. */
  readonly stopped?: { readonly line: number; readonly reason: string } | undefined;
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
  let progress: JsonObject = {};
  let summary: JsonObject | undefined;
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

  /** What the service could not list line by line, because we did not read fast enough. */
  function* unlisted(ofSummary: JsonObject): Generator<Reject> {
    for (const group of listOf(ofSummary['unlisted']).filter(isJsonObject)) {
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
    return `The answer broke off before its summary (${broken}). Records that it has not listed may be written or not: send the file again, writes are idempotent.`;
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
    *addLine(added) {
      if (isJsonObject(added['progress'])) progress = added['progress'];
      if (isJsonObject(added['summary'])) {
        summary = added['summary'];
        yield* unlisted(summary);
      }
      for (const fate of FATES) {
        const facts = added[fate];
        if (!isJsonObject(facts)) continue;
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
        status: facts['status'] === 200 && refusedRows > 0 ? 207 : facts['status'],
        read: countOf(facts['read']) + refusedRows,
        rejected: countOf(facts['rejected']) + refusedRows,
        failed: countOf(facts['failed']),
        warnings: [...listOf(facts['warnings']), ...shortRows(records.short)],
        lines: {
          ...Object.fromEntries(named.filter(([, text]) => text !== '')),
          notSent: stopped && `${stopped.line}-`,
        },
        file: { encoding, delimiter: dialect?.delimiter },
        stopped,
        error:
          summary === undefined ? { code: BROKE_OFF, message: whatIsUnknown() } : facts['error'],
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

function reasonOf({ errors, error, code }: JsonObject): string {
  if (typeof error === 'string') return `${error.replace(/\.$/, '')} (${String(code)})`;
  return listOf(errors)
    .filter(isJsonObject)
    .map(({ attribute, message }) => `${String(attribute)} ${String(message)}`)
    .join('; ');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function countOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
