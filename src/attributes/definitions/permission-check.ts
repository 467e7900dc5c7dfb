import type { Cache } from '../../lib/cache.ts';
import type { Permission, Permissions } from '../ports.ts';

export interface PermissionCheck {
  /** @throws UpstreamError `genesys_permission_missing` (systemic), or what reading them threw. */
  require(permission: Permission, signal?: AbortSignal): Promise<void>;
  /** Genesys answered 403: what we believe to be allowed is out of date. */
  forget(): void;
}

export interface PermissionCheckOptions {
  readonly permissions: Permissions;
  readonly cache: Cache;
  /** How long our own permissions are kept, in milliseconds. */
  readonly ttlMs: number;
}

const KEY = 'permissions:own';

/** Whether our own credentials may do something, asked once for all callers. */
export function createPermissionCheck(options: PermissionCheckOptions): PermissionCheck {
  const { cache, permissions, ttlMs } = options;
  return {
    async require(permission, signal) {
      const granted = await cache.get(KEY, () => permissions.effective(), { signal, ttlMs });
      if (granted.has(permission)) return;
      throw permissions.missing(permission);
    },
    forget: () => cache.delete(KEY),
  };
}
