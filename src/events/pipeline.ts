import type { BusEntry, RawEvent } from './ports.ts';

export interface PipelineIssue {
  /** JSON Pointer into the transformed event, or a position in the expression. */
  readonly path: string;
  /** The schema keyword, or the code of the JSONata error. */
  readonly keyword: string;
  readonly message: string;
}

export type FilterVerdict =
  | { readonly matched: true; readonly rule: string }
  | { readonly matched: false; readonly reason: string };

export type Processed =
  | {
      readonly ok: true;
      readonly entry: BusEntry;
      readonly transformed: Readonly<Record<string, unknown>>;
      /** What the schema says against it in `warn` mode. */
      readonly warnings: readonly PipelineIssue[];
    }
  | {
      readonly ok: false;
      readonly stage: 'transform' | 'validate';
      /** `systemic`: the schema is not there yet; the event is not to blame. */
      readonly kind: 'reject' | 'systemic';
      readonly code: string;
      readonly message: string;
      readonly issues: readonly PipelineIssue[];
      readonly transformed?: unknown;
    };

/** Filter, transform and validate: what the worker, `/simulate`, the tests and the benchmarks run. */
export interface Pipeline {
  readonly versions: {
    readonly filter: string;
    readonly expression: string;
    readonly schema: string;
  };
  filter(event: RawEvent): FilterVerdict;
  /** Transform and validate; a bad event is a value, never an exception. */
  process(event: RawEvent, eventId: string): Promise<Processed>;
}
