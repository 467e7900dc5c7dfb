import { UpstreamError } from '../../errors.ts';
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
      throw new UpstreamError(
        `The Genesys credentials of this service lack the permission ${permission}. ` +
          'An administrator grants it in Genesys Cloud: Admin > People & Permissions > ' +
          'Roles / Permissions, in a role of the OAuth client (Admin > Integrations > OAuth)',
        {
          service: 'genesys',
          code: 'genesys_permission_missing',
          kind: 'systemic',
          status: 403,
          missingPermission: permission,
        },
      );
    },
    forget: () => cache.delete(KEY),
  };
}
