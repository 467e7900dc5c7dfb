/**
 * The kinds of setting, as JSON Schema. Arguments stand in the order of the table in
 * docs/configuration.md: default, what is allowed, meaning.
 */

/** In place of a default: the setting may be missing. */
export const unset = undefined;

type Default<D> = D extends undefined ? object : { readonly default: D };

/** What a text has to keep to. */
interface TextLimits {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** A whole number within limits, both included. Units are in the names. */
export const integer = <const D extends number | undefined>(
  standard: D,
  [minimum, maximum]: readonly [number, number],
  description: string,
) => ({ type: 'integer' as const, minimum, maximum, ...withDefault(standard), description });

/** A text of at least one character. */
export const text = <const D extends string | undefined>(
  standard: D,
  description: string,
  limits: TextLimits = {},
) => ({ type: 'string' as const, minLength: 1, ...limits, ...withDefault(standard), description });

/** An http:// or https:// address. */
export const address = <const D extends string | undefined>(standard: D, description: string) => ({
  ...text(standard, description),
  format: 'http-url',
});

/** A text that is never printed. */
export const secret = (description: string, limits?: TextLimits) => ({
  ...text(unset, description, limits),
  secret: true,
});

/** A forward proxy; its address may have credentials. */
export const proxy = (description: string) => ({
  ...address(unset, description),
  secret: true,
  lowerCaseToo: true,
});

/** The path of a file of PEM certificates, which the checked settings have in its place. */
export const certificates = (description: string) => ({
  ...text(unset, description),
  certificates: true,
});

/** One word of a list. */
export const oneOf = <const W extends string>(
  standard: NoInfer<W>,
  words: readonly W[],
  description: string,
) => ({ type: 'string' as const, enum: words, default: standard, description });

/** `true` or `false`. */
export const flag = (standard: boolean, description: string) => ({
  type: 'boolean' as const,
  default: standard,
  description,
});

/** Settings under one heading of the documents. */
export function group<S extends object>(heading: string, settings: S): Grouped<S> {
  const rows = Object.entries(settings) as [string, object][];
  return Object.fromEntries(
    rows.map(([name, row]) => [name, { ...row, group: heading }]),
  ) as Grouped<S>;
}

type Grouped<S> = { readonly [K in keyof S]: S[K] & { readonly group: string } };

function withDefault<D>(standard: D) {
  return (standard === undefined ? {} : { default: standard }) as Default<D>;
}
