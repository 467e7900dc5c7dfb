import { validate as isUuid, v5 } from 'uuid';
import { ConfigError } from '../../errors.ts';
import {
  compileExpression,
  type Exceeded,
  ExpressionError,
  type ExpressionLimits,
} from '../../lib/expression/expression.ts';
import { isJsonObject, type JsonObject, kindOf } from '../../lib/json-object.ts';
import type { PipelineIssue } from './issue.ts';

/** Name space of the ids that are derived from ids which are no UUIDs. */
const EVENT_IDS = 'b6c1bd8f-6c5f-4b7e-9d6c-0a4d1d6f9a52';

export type Transformed =
  | { readonly ok: true; readonly transformed: JsonObject }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly issues: readonly PipelineIssue[];
      /** What the expression used up, when a limit stopped it. */
      readonly exceeded?: Exceeded;
    };

/** A raw event → the bus event, by a compiled JSONata expression. */
export interface Transform {
  /** An expression that fails, or yields no object, is a value and not an exception. */
  apply(event: unknown, eventId: string): Promise<Transformed>;
}

/**
 * Compiles the expression. In it, `$uuidv4()` is the event's own id, each time it is called.
 *
 * @throws ConfigError with the position of a syntax error.
 */
export function compileTransform(source: string, limits: ExpressionLimits): Transform {
  const expression = (() => {
    try {
      return compileExpression(source, limits);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      throw new ConfigError([`The expression cannot be used: ${error.message} [${error.code}]`], {
        code: 'invalid_expression',
        cause: error,
      });
    }
  })();

  async function evaluate(event: unknown, id: string): Promise<unknown> {
    const bindings = { uuidv4: () => id };
    try {
      return await expression.evaluate(event, bindings);
    } catch (error) {
      // The time limit is wall-clock time: a stopped process or a busy loop looks like a slow
      // expression, and must not cost a good event. What is really endless fails twice.
      if (!(error instanceof ExpressionError) || error.exceeded !== 'time') throw error;
      return expression.evaluate(event, bindings);
    }
  }

  return {
    async apply(event, eventId) {
      try {
        const result = await evaluate(event, toUuid(eventId));
        if (isJsonObject(result)) return { ok: true, transformed: result };
        return failure(
          'transform_no_object',
          `The expression yields ${kindOf(result)}; a bus event must be an object`,
          { path: '', keyword: 'type', message: 'must be object' },
        );
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        const { message, code: keyword, position, exceeded } = error;
        const issue = { path: position === undefined ? '' : String(position), keyword, message };
        return exceeded === undefined
          ? failure('transform_failed', message, issue)
          : { ...failure('transform_limit_exceeded', message, issue), exceeded };
      }
    },
  };
}

/** The id as it is when it is a UUID, else a UUID that is always the same for it (version 5). */
export function toUuid(eventId: string): string {
  return isUuid(eventId) ? eventId.toLowerCase() : v5(eventId.toWellFormed(), EVENT_IDS);
}

function failure(code: string, message: string, issue: PipelineIssue) {
  return { ok: false, code, message, issues: [issue] } as const;
}
