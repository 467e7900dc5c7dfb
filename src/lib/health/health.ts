import { messageOf } from '../../errors.ts';

export type DependencyState = 'starting' | 'up' | 'down';

export interface DependencyHealth {
  readonly name: string;
  readonly state: DependencyState;
  /** Whether the service, or the role that was asked for, is unready while this one is not up. */
  readonly required: boolean;
  /** The only role that needs it; none: all of them do. */
  readonly role?: string;
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
  dependency(name: string, options?: { required?: boolean; role?: string }): DependencyReporter;
  /** What of them is required: by any role, or by this one. */
  snapshot(role?: string): readonly DependencyHealth[];
  /** All that are required are up. */
  readonly ready: boolean;
  /** All that this role requires are up. */
  readyFor(role: string): boolean;
}

export function createHealth(now: () => Date = () => new Date()): Health {
  /** Several parts may report one dependency, each for itself. */
  const dependencies = new Map<string, DependencyHealth[]>();
  const isReady = (role?: string) =>
    [...dependencies.values()]
      .flat()
      .every((part) => part.state === 'up' || !isRequired(part, role));

  return {
    dependency(name, options = {}) {
      const parts = dependencies.get(name) ?? [];
      dependencies.set(name, parts);
      const index = parts.length;
      let part: DependencyHealth = {
        name,
        state: 'starting',
        required: options.required ?? true,
        ...(options.role !== undefined && { role: options.role }),
        since: now().toISOString(),
      };
      parts.push(part);

      function change(state: DependencyState, facts: Partial<DependencyHealth>): void {
        const { note: _old, ...kept } = part;
        const since = kept.state === state ? kept.since : now().toISOString();
        part = { ...kept, ...facts, state, since };
        parts[index] = part;
      }

      return {
        up: (note) => change('up', note === undefined ? {} : { note }),
        down(error) {
          const message = messageOf(error);
          const code =
            error instanceof Error && 'code' in error && typeof error.code === 'string'
              ? { code: error.code }
              : {};
          change('down', { lastError: { message, ...code, at: now().toISOString() } });
        },
        get state() {
          return part.state;
        },
      };
    },
    snapshot: (role) =>
      [...dependencies.values()].flatMap(
        (parts) =>
          together(parts.map((part) => ({ ...part, required: isRequired(part, role) }))) ?? [],
      ),
    get ready() {
      return isReady();
    },
    readyFor: isReady,
  };
}

function isRequired(part: DependencyHealth, role: string | undefined): boolean {
  return part.required && (role === undefined || part.role === undefined || part.role === role);
}

/** A dependency is as well as the worst that is said of it; what keeps the service unready goes first. */
function together(parts: readonly DependencyHealth[]): DependencyHealth | undefined {
  const rank = ({ required, state }: DependencyHealth) =>
    (required ? 0 : 3) + ['down', 'starting', 'up'].indexOf(state);
  const isWell = parts.every(({ state }) => state === 'up');
  const worst = parts.toSorted((one, other) => rank(one) - rank(other))[0];
  return isWell || worst?.state !== 'up' ? worst : parts.find(({ state }) => state !== 'up');
}
