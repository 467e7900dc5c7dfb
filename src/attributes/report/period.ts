import { dayName, type TimeZone } from './time-zone.ts';

const DAY_MS = 86_400_000;

/** Half-open: `from` belongs to it, `to` does not. */
export interface Period {
  readonly from: Date;
  readonly to: Date;
}

/** A period as an answer says it. */
export interface CountedPeriod extends Period {
  /** Whose midnights part the days. */
  readonly timeZone: string;
  /** A whole day is 1, whether it has 23, 24 or 25 hours; two decimals. */
  readonly days: number;
  /** The days it touches, the first and last of them perhaps in part: `2026-11-30`. */
  readonly dayNames: readonly string[];
  /** Days of which only a part was counted: the period cuts them, or they are not over yet. */
  readonly partialDays: readonly string[];
}

/** The last `days` times 24 hours, the last so many days of a calendar, or from one moment on. */
export type AskedPeriod =
  | { readonly days: number }
  | { readonly calendarDays: number }
  | { readonly from: Date; readonly to?: Date | undefined };

/** A day of a time zone, half-open, in milliseconds since the epoch. */
export interface Day {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ReportWindow extends Period {
  /** Its first day, counted from the first day of the whole period. */
  readonly day: number;
}

/** The moments that are meant, now. The last calendar day is today, as far as it has come. */
export function periodOf(asked: AskedPeriod, zone: TimeZone, nowMs: number): Period {
  const now = new Date(nowMs);
  if ('from' in asked) return { from: asked.from, to: asked.to ?? now };
  if ('days' in asked) return { from: new Date(nowMs - asked.days * DAY_MS), to: now };
  const first = zone.dayAt(nowMs - 1) - asked.calendarDays + 1;
  return { from: new Date(zone.startOf(first)), to: now };
}

/** The days that a period touches; one that the zone skipped is none of them. */
export function daysOf(period: Period, zone: TimeZone): Day[] {
  const days: Day[] = [];
  const last = zone.dayAt(period.to.getTime() - 1);
  let fromMs = zone.startOf(zone.dayAt(period.from.getTime()));
  for (let day = zone.dayAt(period.from.getTime()); day <= last; day += 1) {
    const toMs = zone.startOf(day + 1);
    if (toMs > fromMs) days.push({ name: dayName(day), fromMs, toMs });
    fromMs = toMs;
  }
  return days;
}

/** @param days those of the period. */
export function countedPeriod(
  period: Period,
  options: { readonly zone: TimeZone; readonly days: readonly Day[]; readonly nowMs: number },
): CountedPeriod {
  const { zone, days, nowMs } = options;
  const [fromMs, toMs] = [period.from.getTime(), period.to.getTime()];
  let length = 0;
  for (const day of days) {
    const counted = Math.min(day.toMs, toMs) - Math.max(day.fromMs, fromMs);
    length += counted / (day.toMs - day.fromMs);
  }
  // A day that has not begun yet is empty, not partial.
  const partial = days.filter(
    (day) => day.fromMs < nowMs && (day.fromMs < fromMs || day.toMs > Math.min(toMs, nowMs)),
  );
  return {
    ...period,
    timeZone: zone.name,
    days: Math.round(length * 100) / 100,
    dayNames: days.map(({ name }) => name),
    partialDays: partial.map(({ name }) => name),
  };
}

/**
 * Cuts a period at the midnights between its days into at most `maxWindows` half-open windows
 * without gap or overlap, so that nothing at an edge is asked for twice.
 */
export function cutPeriod(
  period: Period,
  days: readonly Day[],
  maxWindows: number,
): ReportWindow[] {
  const fromMs = period.from.getTime();
  const toMs = period.to.getTime();
  const step = Math.max(1, Math.ceil(days.length / maxWindows));
  const windows: ReportWindow[] = [];
  for (let day = 0; day < days.length; day += step) {
    const last = days[Math.min(day + step, days.length) - 1];
    windows.push({
      from: new Date(Math.max(fromMs, days[day]?.fromMs ?? fromMs)),
      to: new Date(Math.min(toMs, last?.toMs ?? toMs)),
      day,
    });
  }
  return windows;
}
