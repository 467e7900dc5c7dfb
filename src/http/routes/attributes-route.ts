import type { Inheritance } from '../../attributes/definitions/inheritance.ts';
import type { Route } from '../route.ts';
import { orgIdSchema } from './org-id.ts';

/** The definitions that hold for an organisation, each with the unit that it comes from. */
export function attributesRoute(inheritance: Inheritance): Route<{ readonly orgId: string }> {
  return {
    method: 'get',
    path: '/attributes',
    role: 'map',
    // Whoever reads reports wants to know what could be filled.
    otherRoles: ['report'],
    operationId: 'listAttributes',
    summary: 'Attribute definitions that hold for an organisation',
    description:
      'Its own and those of all its ancestors; the nearest definition wins. `origin` is the unit that defines an attribute.',
    tag: 'Attributes',
    query: {
      type: 'object',
      required: ['orgId'],
      additionalProperties: false,
      properties: { orgId: orgIdSchema },
    },
    responses: {
      200: {
        description: 'The effective definitions, by name',
        schema: {
          type: 'object',
          required: ['orgId', 'levels', 'attributes', 'warnings'],
          properties: {
            orgId: { type: 'string' },
            levels: {
              type: 'array',
              items: { type: 'string' },
              description: 'The organisation, its parent, and so on up to the top',
            },
            attributes: {
              type: 'array',
              items: {
                type: 'object',
                required: ['name', 'type', 'origin', 'validationRules'],
                properties: {
                  name: { type: 'string' },
                  type: { type: 'string' },
                  description: { type: 'string' },
                  required: { type: 'boolean' },
                  defaultValue: {},
                  validationRules: { type: 'array', items: { type: 'object' } },
                  id: { type: 'string' },
                  origin: { type: 'string', description: 'The unit that defines it' },
                },
              },
            },
            warnings: { type: 'array', items: { type: 'string' } },
          },
        },
        example: {
          orgId: 'acme-emea',
          levels: ['acme-emea', 'acme'],
          attributes: [
            {
              name: 'crm_ticket_priority',
              type: 'string',
              validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
              origin: 'acme',
            },
          ],
          warnings: [],
        },
      },
      403: {
        description: 'The service lacks customattributes:read or groups:read in Genesys Cloud',
      },
      422: { description: 'The tree above the organisation is too deep' },
      502: { description: 'Genesys Cloud failed or refused our credentials' },
      503: { description: 'Genesys Cloud asks to wait' },
      504: { description: 'Genesys Cloud did not answer in time' },
    },
    async handle({ query: { orgId }, signal }) {
      const effective = await inheritance.effective(orgId, signal);
      const attributes = Array.from(effective.attributes.values(), ({ definition, origin }) =>
        Object.assign({ origin }, definition),
      ).sort((a, b) => (a.name < b.name ? -1 : 1));
      const { levels, warnings } = effective;
      return { status: 200, body: { orgId, levels, attributes, warnings } };
    },
  };
}
