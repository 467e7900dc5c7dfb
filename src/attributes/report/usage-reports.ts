import { UpstreamError } from '../../errors.ts';
import type { Cache } from '../../lib/cache.ts';
import type { EffectiveDefinition, Inheritance } from '../definitions/inheritance.ts';
import type { PermissionCheck } from '../definitions/permission-check.ts';
import type { AttributeDefinition, Conversations } from '../ports.ts';
import { describeUsage, type ShownValues, type UsageDetail } from './describe-usage.ts';
import { ALL_ATTRIBUTES, type AskedAttributes, createDetailedTally } from './detailed-tally.ts';
import { fetchWindows, type ReportProgress } from './fetch-windows.ts';
import { createFlatTally, type UsageTally } from './flat-tally.ts';
import {
  type AskedPeriod,
  type CountedPeriod,
  countedPeriod,
  cutPeriod,
  daysOf,
  periodOf,
  type ReportWindow,
} from './period.ts';
import { createRunningReports } from './running-reports.ts';
import type { TimeZone } from './time-zone.ts';

export type { ReportProgress } from './fetch-windows.ts';

export interface ReportQuestion {
  readonly attributes: AskedAttributes;
  /** `from` up to, not including, `to`, which is now by default. */
  readonly period: AskedPeriod;
  /** Whose midnights part the days. */
  readonly timeZone: TimeZone;
  /** Whose definitions count as defined; by default those that the service itself defines. */
  readonly orgId?: string | undefined;
  readonly detail: boolean;
}

export interface UsageReport {
  readonly period: CountedPeriod;
  /** Different conversations in the period. */
  readonly conversations: number;
  /** Conversations that Genesys named twice and that were counted once, distinguished by their ids. */
  readonly repeated: number;
  /** False when ids were missing, or too many, so that some may have been counted twice. */
  readonly repetitionChecked: boolean;
  /** Conversations in which each attribute is filled; at least those that were asked for. */
  readonly populated: ReadonlyMap<string, number>;
  /** When the question asks for it. */
  readonly detail?: UsageDetail & {
    /** The organisation whose definitions were used, its own and inherited ones. */
    readonly orgId?: string | undefined;
    /** What is odd about the organisation's tree. */
    readonly warnings: readonly string[];
  };
  /** Epoch, milliseconds. */
  readonly completedAtMs: number;
}

type OnProgress = (progress: ReportProgress) => void;

export interface UsageReports {
  /**
   * Equal questions at the same time share one query, and later ones its answer, while it is
   * fresh. The query stops when the last caller that waits for it has gone, and counts for the caller
   * that began it.
   *
   * @throws UpstreamError, also when the permission `analytics:read` is missing (before the first
   *   page is asked for); BusyError, before anything is asked for; BridgeError `report_too_large`,
   *   `report_too_many_attributes`.
   */
  report(
    question: ReportQuestion,
    options: {
      /** Whom limits count. */
      readonly caller: string;
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: OnProgress | undefined;
    },
  ): Promise<UsageReport>;
}

export interface UsageReportOptions {
  readonly conversations: Conversations;
  readonly inheritance: Inheritance;
  readonly permissions: PermissionCheck;
  /** Of its own, with the time to live of reports. */
  readonly cache: Cache;
  /** The definitions that the service makes at start: what is defined when no one says where. */
  readonly ownDefinitions: () => readonly AttributeDefinition[];
  /** Queries at once, of all callers and of one. */
  readonly maxRunning: number;
  readonly maxRunningPerCaller: number;
  readonly windowsInFlight: number;
  readonly maxPages: number;
  readonly showValues: ShownValues;
  readonly now?: (() => number) | undefined;
}

/** The callers of one question that wait for its answer, and how far its query is. */
interface Audience {
  readonly callers: Set<{ readonly onProgress: OnProgress | undefined }>;
  progress: ReportProgress | undefined;
}

interface Definitions {
  readonly attributes: ReadonlyMap<string, EffectiveDefinition>;
  readonly warnings: readonly string[];
}

/** A flat report has more windows than lanes, so that the lanes stay busy to the end. */
const WINDOWS_PER_LANE = 2;

export function createUsageReports(options: UsageReportOptions): UsageReports {
  const { cache, inheritance, permissions, windowsInFlight } = options;
  const now = options.now ?? Date.now;
  const running = createRunningReports({
    max: options.maxRunning,
    maxPerCaller: options.maxRunningPerCaller,
  });
  const audiences = new Map<string, Audience>();

  async function definitionsOf(
    orgId: string | undefined,
    signal: AbortSignal,
  ): Promise<Definitions> {
    if (orgId !== undefined) return inheritance.effective(orgId, signal);
    const own = options.ownDefinitions();
    return {
      attributes: new Map(own.map((each) => [each.name, { definition: each, origin: 'service' }])),
      warnings: [],
    };
  }

  async function read(
    tally: UsageTally,
    windows: readonly ReportWindow[],
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await fetchWindows({
        conversations: options.conversations,
        windows,
        windowsInFlight,
        maxPages: options.maxPages,
        tally,
        onProgress,
        signal,
      });
    } catch (error) {
      if (error instanceof UpstreamError && error.missingPermission !== undefined) {
        permissions.forget();
      }
      throw error;
    } finally {
      tally.conversations.release();
    }
  }

  async function compute(
    question: ReportQuestion,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<UsageReport> {
    const { attributes: names, detail, orgId } = question;
    await permissions.require('analytics:read', signal);
    const [nowMs, zone] = [now(), question.timeZone];
    const asked = periodOf(question.period, zone, nowMs);
    const days = daysOf(asked, zone);
    const period = countedPeriod(asked, { zone, days, nowMs });
    const maxWindows = detail ? days.length : windowsInFlight * WINDOWS_PER_LANE;
    const windows = cutPeriod(asked, days, maxWindows);
    if (!detail && names !== ALL_ATTRIBUTES) {
      const tally = createFlatTally(names);
      await read(tally, windows, onProgress, signal);
      return reportOf(period, tally, now());
    }
    const { attributes: definitions, warnings } = await definitionsOf(orgId, signal);
    const tally = createDetailedTally({ names, details: detail, days: days.length, definitions });
    await read(tally, windows, onProgress, signal);
    if (!detail) return reportOf(period, tally, now());
    const usage = describeUsage(tally, {
      days: period.dayNames,
      definitions,
      showValues: options.showValues,
    });
    return {
      ...reportOf(period, tally, now()),
      detail: { ...usage, orgId, warnings },
    };
  }

  function audienceOf(key: string): Audience {
    const audience = audiences.get(key) ?? { callers: new Set(), progress: undefined };
    audiences.set(key, audience);
    return audience;
  }

  return {
    async report(question, { caller: name, signal, onProgress }) {
      const key = keyOf(question);
      const audience = audienceOf(key);
      const caller = { onProgress };
      audience.callers.add(caller);
      if (audience.progress !== undefined) onProgress?.(audience.progress);

      const load = async (ending: AbortSignal): Promise<UsageReport> => {
        const onPage = (progress: ReportProgress): void => {
          if (ending.aborted) return;
          audience.progress = progress;
          for (const each of audience.callers) each.onProgress?.(progress);
        };
        const end = running.begin(name);
        try {
          return await compute(question, onPage, ending);
        } finally {
          end();
          audience.progress = undefined;
        }
      };
      try {
        return await cache.get(key, load, { signal, endWhenAlone: true });
      } finally {
        audience.callers.delete(caller);
        if (audience.callers.size === 0) audiences.delete(key);
      }
    },
  };
}

/** The attributes of the answer, in the order of the question; all there are by their names. */
export function reportedNames({ attributes }: ReportQuestion, report: UsageReport): string[] {
  return attributes === ALL_ATTRIBUTES ? [...report.populated.keys()].sort() : [...attributes];
}

function reportOf(period: CountedPeriod, tally: UsageTally, completedAtMs: number): UsageReport {
  const { count, repeated, allChecked } = tally.conversations;
  return {
    period,
    conversations: count,
    repeated,
    repetitionChecked: allChecked,
    populated: tally.populated(),
    completedAtMs,
  };
}

/** As asked, not as resolved: `days: 30` stays the same question from one second to the next. */
function keyOf({ attributes, period, timeZone, orgId, detail }: ReportQuestion): string {
  const isAll = attributes === ALL_ATTRIBUTES;
  const names = isAll ? attributes : attributes.toSorted();
  const unit = detail || isAll ? (orgId ?? null) : null;
  return JSON.stringify([names, period, timeZone.name, detail, unit]);
}
