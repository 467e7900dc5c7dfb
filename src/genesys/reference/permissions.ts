import type { Permissions } from '../../attributes/ports.ts';
import type { GenesysClient } from '../client.ts';
import { permissionMissing } from '../failures.ts';
import { list, optionalBoolean, record, text } from '../shape.ts';

/** `GET /api/v2/accesscontrol/roles/effectivepermissions`: `[{permissionId, value}]`. */
export function createPermissions(client: GenesysClient): Permissions {
  return {
    async effective(signal) {
      const { value } = await client.call({
        operation: 'get_effective_permissions',
        method: 'GET',
        path: '/api/v2/accesscontrol/roles/effectivepermissions',
        scope: 'accesscontrol:read',
        urgency: 'read',
        read: readGranted,
        signal,
      });
      return value;
    },
    missing: permissionMissing,
  };
}

function readGranted(body: unknown): ReadonlySet<string> {
  const granted = new Set<string>();
  for (const [index, entry] of list(body, 'the answer').entries()) {
    const name = `[${index}]`;
    const permission = record(entry, name);
    const id = text(permission['permissionId'], `${name}.permissionId`);
    if (optionalBoolean(permission['value'], `${name}.value`) === true) granted.add(id);
  }
  return granted;
}
