import { BusyError } from '../../errors.ts';

export interface RunningReportsOptions {
  /** Of all callers together. */
  readonly max: number;
  readonly maxPerCaller: number;
}

/** Bounds the queries of reports that are under way, so that reports leave room for everything else. */
export interface RunningReports {
  /**
   * @returns ends it.
   * @throws BusyError `reports_busy_for_caller`, `reports_busy`.
   */
  begin(caller: string): () => void;
}

export function createRunningReports({ max, maxPerCaller }: RunningReportsOptions): RunningReports {
  const running = new Map<string, number>();
  let total = 0;

  return {
    begin(caller) {
      const own = running.get(caller) ?? 0;
      if (own >= maxPerCaller) {
        throw new BusyError(
          `This caller has ${own} reports running already; wait for one of them, or raise REPORT_MAX_RUNNING_PER_CALLER`,
          { code: 'reports_busy_for_caller', isCallers: true },
        );
      }
      if (total >= max) {
        throw new BusyError(
          `${total} reports are running already; try again shortly, or raise REPORT_MAX_RUNNING`,
          { code: 'reports_busy', isCallers: false },
        );
      }
      total += 1;
      running.set(caller, own + 1);
      return () => {
        total -= 1;
        const left = (running.get(caller) ?? 1) - 1;
        if (left === 0) running.delete(caller);
        else running.set(caller, left);
      };
    },
  };
}
