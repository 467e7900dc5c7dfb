import type { OrganisationUnits } from '../../attributes/ports.ts';
import { UpstreamError } from '../../errors.ts';
import type { GenesysClient } from '../client.ts';
import { pathSegment } from '../path-segment.ts';
import { optionalText, record } from '../shape.ts';

/** `GET /api/v2/groups/<id>`: a unit is a group there; 404 is the top of the tree. */
export function createOrganisationUnits(client: GenesysClient): OrganisationUnits {
  return {
    async parentOf(orgId, signal) {
      try {
        const { value } = await client.call({
          operation: 'get_organisation_unit',
          method: 'GET',
          path: `/api/v2/groups/${pathSegment(orgId, 'organisation unit')}`,
          scope: 'groups:read',
          urgency: 'read',
          read: (body) => optionalText(record(body, 'the group')['parentId'], 'parentId'),
          signal,
        });
        return value === '' ? undefined : value;
      } catch (error) {
        if (error instanceof UpstreamError && error.code === 'genesys_not_found') return undefined;
        throw error;
      }
    },
  };
}
