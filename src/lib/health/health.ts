import { messageOf } from '../../errors.ts';

export type DependencyState = 'starting' | 'up' | 'down';

export interface DependencyHealth {
  readonly name: string;
  readonly state: DependencyState;
  /** Whether the service is unready while this one is not up. */
  readonly required: boolean;
  /** When it got into this state, ISO 8601. */
  readonly since: string;
  /** The last failure, kept after recovery: what, and when (ISO 8601). */
  readonly lastError?: { readonly message: string; readonly code?: string; readonly at: string };
  /** A short remark for operators, for example which schema version is in use. */
  readonly note?: string;
}

/** How one part reports one dependency of its own. */
export interface DependencyReporter {
  up(note?: string): void;
  down(error: unknown): void;
  readonly state: DependencyState;
}

/** Every dependency by name, for readiness. */
export interface Health {
  dependency(name: string, options?: { required?: boolean }): DependencyReporter;
  snapshot(): readonly DependencyHealth[];
  /** All that are required are up. */
  readonly ready: boolean;
}

export function createHealth(now: () => Date = () => new Date()): Health {
  const dependencies = new Map<string, DependencyHealth>();

  function change(name: string, state: DependencyState, facts: Partial<DependencyHealth>): void {
    const before = dependencies.get(name);
    if (before === undefined) return;
    const { note: _old, ...kept } = before;
    const since = before.state === state ? before.since : now().toISOString();
    dependencies.set(name, { ...kept, ...facts, state, since });
  }

  return {
    dependency(name, options = {}) {
      dependencies.set(name, {
        name,
        state: 'starting',
        required: options.required ?? true,
        since: now().toISOString(),
      });
      return {
        up: (note) => change(name, 'up', note === undefined ? {} : { note }),
        down(error) {
          const message = messageOf(error);
          const code =
            error instanceof Error && 'code' in error && typeof error.code === 'string'
              ? { code: error.code }
              : {};
          change(name, 'down', { lastError: { message, ...code, at: now().toISOString() } });
        },
        get state() {
          return dependencies.get(name)?.state ?? 'starting';
        },
      };
    },
    snapshot: () => [...dependencies.values()],
    get ready() {
      return [...dependencies.values()].every(({ required, state }) => !required || state === 'up');
    },
  };
}
