/** An organisation unit's id: it becomes part of a path and of cache keys. */
export const orgIdSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 200,
  pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]*$',
  description: 'Id of the organisation unit in Genesys Cloud',
} as const;
