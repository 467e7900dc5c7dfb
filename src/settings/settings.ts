import { attributeSettings } from './attributes.ts';
import { awsSettings } from './aws.ts';
import { callerSettings } from './callers.ts';
import { eventSettings } from './events.ts';
import { genesysSettings } from './genesys.ts';
import { limitSettings } from './limits.ts';
import { networkSettings } from './network.ts';
import { platformSettings } from './platform/settings.ts';
import { serviceSettings } from './service.ts';

/**
 * Every setting, once: its type, default, limits and meaning. The validator, the `Config` type,
 * `.env.example` and the documents are all made from this object.
 */
export const settings = {
  ...serviceSettings,
  ...callerSettings,
  ...limitSettings,
  ...networkSettings,
  ...genesysSettings,
  ...platformSettings,
  ...attributeSettings,
  ...eventSettings,
  ...awsSettings,
};

export type SettingName = keyof Settings;

/** The checked settings under their own names; those without a default may be missing. */
export type Config = {
  readonly [K in SettingName as Settings[K] extends { default: unknown } ? K : never]: ValueOf<
    Settings[K]
  >;
} & {
  readonly [K in SettingName as Settings[K] extends { default: unknown } ? never : K]:
    | ValueOf<Settings[K]>
    | undefined;
};

type Settings = typeof settings;
type ValueOf<S> = S extends { enum: readonly (infer E)[] }
  ? E
  : S extends { type: 'integer' }
    ? number
    : S extends { type: 'boolean' }
      ? boolean
      : string;
