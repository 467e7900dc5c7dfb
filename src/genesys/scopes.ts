/** Of the API that Genesys publishes: `domain:entity:action`; `none` for what needs none. */
export type PlatformPermission =
  | `${'conversation' | 'analytics' | 'routing' | 'notifications'}:${string}:${string}`
  | 'none';

/** What a call needs to be allowed: a scope of the reference contract, or a permission. */
export type Scope =
  | PlatformPermission
  | 'customattributes:read'
  | 'customattributes:write'
  | 'analytics:read'
  | 'groups:read'
  | 'accesscontrol:read'
  | 'event:subscribe'
  | 'analytics:events:read';

export type GrantName = 'jwt_bearer' | 'client_credentials';

/** The scopes that the client-credentials grant asks for; all others belong to the JWT bearer. */
export const CLIENT_CREDENTIALS_SCOPES = [
  'event:subscribe',
  'analytics:events:read',
] as const satisfies readonly Scope[];

/** Which grant a call uses when both are configured. */
export function grantFor(scope: Scope): GrantName {
  return CLIENT_CREDENTIALS_SCOPES.some((own) => own === scope)
    ? 'client_credentials'
    : 'jwt_bearer';
}

/** The settings behind a grant, for messages that say what to check. */
export interface GrantSettings {
  readonly clientId: string;
  readonly all: string;
}

export const GRANT_SETTINGS: Readonly<Record<GrantName, GrantSettings>> = {
  jwt_bearer: {
    clientId: 'OAUTH_CLIENT_ID',
    all: 'OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY and OAUTH_SUBJECT',
  },
  client_credentials: {
    clientId: 'GENESYS_CLIENT_ID',
    all: 'GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET',
  },
};
