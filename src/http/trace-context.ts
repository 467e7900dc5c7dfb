import { randomBytes } from 'node:crypto';

/** W3C Trace Context, https://www.w3.org/TR/trace-context/ */
export interface TraceContext {
  readonly traceId: string;
  /** The header for calls that we make on behalf of this request: same trace, our own span. */
  readonly traceparent: string;
}

const TRACEPARENT =
  /^(?<version>[0-9a-f]{2})-(?<trace>[0-9a-f]{32})-(?<span>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})(?<rest>-.*)?$/;

/** Goes on with the caller's trace, or begins one when the header is absent or makes no sense. */
export function continueTrace(header: string | undefined): TraceContext {
  const parent = TRACEPARENT.exec(header ?? '')?.groups;
  const usable =
    parent !== undefined &&
    parent['version'] !== 'ff' &&
    // Version 00 ends after the flags; later ones may have more, which is not ours to read.
    (parent['version'] !== '00' || parent['rest'] === undefined) &&
    /[1-9a-f]/.test(parent['trace'] ?? '') &&
    /[1-9a-f]/.test(parent['span'] ?? '');
  const random = randomBytes(24).toString('hex');
  const traceId = (usable ? parent['trace'] : undefined) ?? random.slice(16);
  // Only the sampled bit is defined; a trace of our own is not sampled, for nothing records it.
  const sampled = usable && (Number.parseInt(parent['flags'] ?? '0', 16) & 1) === 1;
  const traceparent = `00-${traceId}-${random.slice(0, 16)}-${sampled ? '01' : '00'}`;
  return { traceId, traceparent };
}
