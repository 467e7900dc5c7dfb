const DAY_MS = 86_400_000;

/** Half-open: `from` belongs to it, `to` does not. */
export interface Period {
  readonly from: Date;
  readonly to: Date;
}

export interface ReportWindow extends Period {
  /** Its first UTC day, counted from the first day of the whole period. */
  readonly day: number;
}

/** The UTC days that a period touches, the first and last of them perhaps in part: `2026-11-30`. */
export function daysOf(period: Period): string[] {
  const first = dayNumber(period.from);
  const count = dayNumber(new Date(period.to.getTime() - 1)) - first + 1;
  return Array.from({ length: count }, (_, index) =>
    new Date((first + index) * DAY_MS).toISOString().slice(0, 10),
  );
}

/**
 * Cuts a period at UTC midnights into at most `maxWindows` half-open windows without gap or
 * overlap, so that nothing at an edge is asked for twice.
 */
export function cutPeriod(period: Period, maxWindows: number): ReportWindow[] {
  const fromMs = period.from.getTime();
  const toMs = period.to.getTime();
  const first = dayNumber(period.from);
  const end = dayNumber(new Date(toMs - 1)) + 1;
  const step = Math.max(1, Math.ceil((end - first) / maxWindows));
  const windows: ReportWindow[] = [];
  for (let day = first; day < end; day += step) {
    windows.push({
      from: new Date(Math.max(fromMs, day * DAY_MS)),
      to: new Date(Math.min(toMs, (day + step) * DAY_MS)),
      day: day - first,
    });
  }
  return windows;
}

function dayNumber(date: Date): number {
  return Math.floor(date.getTime() / DAY_MS);
}
