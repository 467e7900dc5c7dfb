import { type Call, json, type Reply } from '../operation.ts';
import { isObject, parseObject, Refusal } from './error-body.ts';

export interface StoredRecord {
  /** The entity: its `id` and its attributes. */
  readonly entity: Readonly<Record<string, unknown>>;
  /** How many accepted batches had it. */
  readonly writes: number;
}

export interface RecordsOptions {
  /** A larger body is refused with 413; Genesys' `request.bytes.max`. */
  readonly maxBatchBytes: number;
  /** More entities are refused with 400. */
  readonly maxBatchEntities: number;
  /** How many are kept to look at; then the oldest go. Counting never stops. */
  readonly keepRecords: number;
  /** Answer with one result for each entity also when all were written. */
  readonly alwaysResults: boolean;
  /** Refuse an entity with an attribute for which this says no. */
  readonly isDefined: ((name: string) => boolean) | undefined;
}

/**
 * The batch upsert. Ids that start with `refuse-` are refused one by one, an id that starts with
 * `poison-` refuses its whole batch.
 */
export interface Records {
  readonly upsert: (call: Call) => Reply;
  readonly stored: ReadonlyMap<string, StoredRecord>;
  /** Entities written in all, repeated ones included. */
  written(): number;
  reset(): void;
}

export function createRecords(options: RecordsOptions): Records {
  const { isDefined } = options;
  const stored = new Map<string, { entity: Record<string, unknown>; writes: number }>();
  let written = 0;

  function store(id: string, entity: Record<string, unknown>, partial: boolean): void {
    written += 1;
    const before = stored.get(id);
    if (before !== undefined) {
      before.entity = partial ? { ...before.entity, ...entity } : entity;
      before.writes += 1;
      return;
    }
    stored.set(id, { entity, writes: 1 });
    if (stored.size > options.keepRecords) forgetOldest();
  }

  /** A tenth at once: finding the first key of a Map gets slow after deletions. */
  function forgetOldest(): void {
    let excess = Math.ceil(options.keepRecords / 10);
    for (const id of stored.keys()) {
      if (excess <= 0) return;
      stored.delete(id);
      excess -= 1;
    }
  }

  /** Why an entity alone is not written. An injected code such as `503` becomes its status. */
  function refusalOf(call: Call, id: string, entity: Record<string, unknown>) {
    if (id.startsWith('refuse-')) return { id, status: 400, error: 'The entity was refused.' };
    const failure = call.failsEntry(id);
    if (failure !== undefined) {
      const status = /^[45]\d\d$/.test(failure.code) ? Number(failure.code) : 400;
      return { id, status, error: failure.message ?? failure.code };
    }
    if (isDefined === undefined) return undefined;
    for (const name of Object.keys(entity)) {
      if (name === 'id' || isDefined(name)) continue;
      return { id, status: 400, error: `There is no custom attribute ${name}.` };
    }
    return undefined;
  }

  return {
    stored,
    written: () => written,
    upsert(call) {
      if (call.body.length > options.maxBatchBytes) {
        throw new Refusal(
          413,
          `The request has ${call.body.length} bytes, at most ${options.maxBatchBytes} are allowed.`,
        );
      }
      const { entities, partialUpdate } = parseObject(call.body);
      if (!Array.isArray(entities) || entities.length === 0) {
        throw new Refusal(400, 'entities has to be a list with at least one entity.');
      }
      if (entities.length > options.maxBatchEntities) {
        throw new Refusal(
          400,
          `too many entities: ${entities.length}, at most ${options.maxBatchEntities} are allowed.`,
          'too.many.entities',
        );
      }
      const accepted: (Record<string, unknown> & { id: string })[] = [];
      for (const entity of entities as unknown[]) {
        if (!hasId(entity)) throw new Refusal(400, 'Every entity needs an id.');
        if (entity.id.startsWith('poison-')) {
          throw new Refusal(400, 'The batch has an entity that cannot be processed.');
        }
        accepted.push(entity);
      }

      let refused = false;
      const results = accepted.map((entity) => {
        const refusal = refusalOf(call, entity.id, entity);
        if (refusal !== undefined) {
          refused = true;
          return refusal;
        }
        store(entity.id, entity, partialUpdate === true);
        return { id: entity.id, status: 200 };
      });
      return json(refused || options.alwaysResults ? { results } : { updated: results.length });
    },
    reset() {
      stored.clear();
      written = 0;
    },
  };
}

function hasId(entity: unknown): entity is Record<string, unknown> & { id: string } {
  return isObject(entity) && typeof entity['id'] === 'string' && entity['id'] !== '';
}
