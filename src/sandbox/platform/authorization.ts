import { Refusal } from '../genesys/error-body.ts';
import { json } from '../operation.ts';
import type { PlatformCall, PlatformRoute } from './routes.ts';

/** Who may do what, and in which divisions; to be set while it runs. */
export interface Authorization {
  readonly routes: readonly PlatformRoute[];
  readonly divisions: Map<string, { readonly id: string; readonly name: string }>;
  /** `false`: `divisionspermitted` refuses client credentials for want of a user. */
  answersDivisionsPermitted: boolean;
  /** `false`: roles come without their policies, as a newer API announces. */
  showsPolicies: boolean;
}

export const HOME_DIVISION = '0d1c0000-0000-4000-8000-000000000001';
const SALES_DIVISION = '0d1c0000-0000-4000-8000-000000000002';
const PATH = '/api/v2/authorization';

/** All that somebody could be granted, as far as the sandbox knows it. */
export const PERMISSIONS = [
  'analytics:conversationDetail:view',
  'conversation:customAttributes:edit',
  'conversation:customAttributes:view',
  'conversation:customAttributes:delete',
  'conversation:customAttributes:schemaView',
  'conversation:customAttributes:schemaAdd',
  'conversation:customAttributes:schemaEdit',
  'routing:queue:view',
] as const;

export function createAuthorization(denied: ReadonlySet<string>): Authorization {
  const divisions = new Map(
    [
      { id: HOME_DIVISION, name: 'Home' },
      { id: SALES_DIVISION, name: 'Sales' },
    ].map((division) => [division.id, division]),
  );

  /** Where the caller has a permission: everywhere, or in these divisions. */
  function heldIn({ token }: PlatformCall, permission: string): 'all' | ReadonlySet<string> {
    const { client } = token;
    if (denied.has(permission) || client.denied.has(permission)) return new Set();
    return client.divisions.get(permission) ?? 'all';
  }

  const authorization: Authorization = {
    divisions,
    answersDivisionsPermitted: true,
    showsPolicies: true,
    routes: [
      {
        method: 'GET',
        path: `${PATH}/divisions`,
        operation: 'genesys.authorization.divisions',
        handle: () => {
          const entities = [...divisions.values()].map(({ id, name }) => ({
            id,
            name,
            homeDivision: id === HOME_DIVISION,
            selfUri: `${PATH}/divisions/${id}`,
          }));
          return json({
            entities,
            pageSize: 25,
            pageNumber: 1,
            pageCount: 1,
            total: entities.length,
          });
        },
      },
      {
        method: 'GET',
        path: `${PATH}/divisionspermitted/paged/me`,
        operation: 'genesys.authorization.divisionspermitted',
        handle(call) {
          if (!authorization.answersDivisionsPermitted) {
            throw new Refusal(
              400,
              'This request requires a user context. Client credentials cannot be used for requests to this resource.',
              'bad.request',
            );
          }
          const permission = new URLSearchParams(call.query).get('permission') ?? '';
          if (permission === '') throw new Refusal(400, 'permission is required.');
          const held = heldIn(call, permission);
          const entities = [...divisions.values()].filter(
            ({ id }) => held === 'all' || held.has(id),
          );
          return json({
            entities,
            pageSize: 25,
            pageNumber: 1,
            pageCount: 1,
            total: entities.length,
            allDivsPermitted: held === 'all',
          });
        },
      },
      {
        method: 'GET',
        path: `${PATH}/subjects/me`,
        operation: 'genesys.authorization.subject',
        handle: (call) =>
          json({
            id: call.token.client.clientId,
            name: 'Interaction Bridge',
            grants: grantsOf(call),
            version: 1,
          }),
      },
    ],
  };

  function grantsOf(call: PlatformCall) {
    return PERMISSIONS.filter((permission) => {
      const held = heldIn(call, permission);
      return held === 'all' || held.size > 0;
    }).map((permission, index) => {
      const [domain = '', entityName = '', action = ''] = permission.split(':');
      const policies = [{ domain, entityName, actions: [action] }];
      return {
        subjectId: call.token.client.clientId,
        division: { id: HOME_DIVISION, name: 'Home', homeDivision: true },
        role: {
          id: `role-${index}`,
          name: permission,
          default: false,
          ...(authorization.showsPolicies && { policies }),
        },
        grantMadeAt: '2026-01-01T00:00:00.000Z',
      };
    });
  }

  return authorization;
}
