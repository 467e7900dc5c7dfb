const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** EventBridge delivers times as RFC 3339, which has years of four digits. */
const EARLIEST_MS = Date.parse('0001-01-01T00:00:00Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

const DAY_MS = 86_400_000;

/** The forms of `parseEventTime` as a sentence part for messages. */
export const EVENT_TIME_RULE =
  'must be a time of RFC 3339 such as 2026-03-01T12:00:00.123Z, or whole milliseconds since 1970, within the years 1 to 9999';

/**
 * A time of RFC 3339 or whole milliseconds since 1970; `undefined` for everything else, above all for
 * what `new Date` would guess. A leap second (23:59:60 UTC) is the second after it, as in Unix time;
 * digits beyond milliseconds are cut.
 */
export function parseEventTime(value: unknown): Date | undefined {
  let epochMs: number | undefined;
  if (typeof value === 'string') epochMs = parseRfc3339(value);
  else if (Number.isInteger(value)) epochMs = value as number;
  if (epochMs === undefined || epochMs < EARLIEST_MS || epochMs > LATEST_MS) return undefined;
  return new Date(epochMs);
}

function parseRfc3339(text: string): number | undefined {
  const match = RFC_3339.exec(text);
  if (match === null) return undefined;
  const [, year = '', month, day, hour, minute, second, fraction = '', sign] = match;
  const [offsetHour, offsetMinute] = [match[9] ?? '0', match[10] ?? '0'].map(Number);
  const date = `${year}-${month}-${day}`;
  const dayMs = Date.parse(`${date}T00:00:00Z`);
  // The engine moves the 30th of February to March instead of refusing it.
  if (Number.isNaN(dayMs)) return undefined;
  if (Number(day) > 28 && !new Date(dayMs).toISOString().startsWith(date)) return undefined;
  const isTime = Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 60;
  if (!isTime || (offsetHour ?? 0) > 23 || (offsetMinute ?? 0) > 59) return undefined;
  const offsetMs = ((offsetHour ?? 0) * 60 + (offsetMinute ?? 0)) * 60_000;
  const minuteMs =
    dayMs +
    (Number(hour) * 60 + Number(minute)) * 60_000 +
    (sign === '-' ? offsetMs : sign === '+' ? -offsetMs : 0);
  // Leap seconds are put in at the end of a day in UTC.
  const isLastMinute = (((minuteMs + 60_000) % DAY_MS) + DAY_MS) % DAY_MS === 0;
  if (second === '60' && !isLastMinute) return undefined;
  return minuteMs + Number(second) * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
}
