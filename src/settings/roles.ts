/** What a process does. */
export type Role = 'api' | 'reader' | 'publisher';

/** The roles of a process; `WORKER_ENABLED=false` is the older form of `ROLES=api`. */
export function rolesOf(values: {
  readonly ROLES?: unknown;
  readonly WORKER_ENABLED?: unknown;
}): ReadonlySet<Role> {
  if (values.WORKER_ENABLED !== true) return new Set<Role>(['api']);
  return new Set(String(values.ROLES).split(',') as Role[]);
}
