const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** No zone is further from UTC, not even in its local mean time of long ago. */
const MAX_OFFSET_MS = 16 * HOUR_MS;
/** A zone takes some 100 KB; there are about 600 names. */
const MAX_OPEN = 64;

/** The calendar days of one place. A day is the number of days since 1970-01-01 there. */
export interface TimeZone {
  /** Of the IANA database, `Europe/Berlin`. */
  readonly name: string;
  /** Local time less UTC at a moment; all in milliseconds, moments since the epoch. */
  offsetMs(epochMs: number): number;
  /**
   * The first moment of a day: midnight, or the end of the gap when clocks skip midnight. A day
   * lasts until the next one begins, as a rule 23, 24 or 25 hours; one that was skipped has none.
   */
  startOf(day: number): number;
  /** The day that a moment belongs to. */
  dayAt(epochMs: number): number;
}

export const UTC: TimeZone = {
  name: 'UTC',
  offsetMs: () => 0,
  startOf: (day) => day * DAY_MS,
  dayAt: (epochMs) => Math.floor(epochMs / DAY_MS),
};

/** What `openTimeZone` knows, for messages. */
export const TIME_ZONE_RULE =
  'a name of the IANA time zone database, such as UTC, Europe/Berlin or America/St_Johns';

const opened = new Map<string, TimeZone>();

/** `undefined` when there is no such zone. Letters may be large or small. */
export function openTimeZone(name: string): TimeZone | undefined {
  // Offsets such as +01:00 are taken by some engines and are no places.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return undefined;
  const known = opened.get(name);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return undefined;
  }
  const { timeZone } = format.resolvedOptions();
  // For an alias that is the name of the zone that it stands for.
  const spelled = timeZone.toLowerCase() === name.toLowerCase() ? timeZone : name;
  const zone = spelled === UTC.name ? UTC : zoneOf(spelled, format);
  if (opened.size >= MAX_OPEN) opened.delete([...opened.keys()][0] ?? '');
  opened.set(name, zone);
  return zone;
}

function zoneOf(name: string, format: Intl.DateTimeFormat): TimeZone {
  function offsetMs(epochMs: number): number {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(format.format(epochMs));
    const [, sign, hours, minutes, seconds] = match ?? [];
    const size = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds ?? 0);
    return (sign === '-' ? -size : size) * 1000;
  }

  const localDay = (epochMs: number) => Math.floor((epochMs + offsetMs(epochMs)) / DAY_MS);

  function startOf(day: number): number {
    const midnight = day * DAY_MS;
    const before = offsetMs(midnight - MAX_OFFSET_MS);
    const after = offsetMs(midnight + MAX_OFFSET_MS);
    // The larger offset is the earlier moment: clocks that are put back past midnight show it twice.
    const offsets = before > after ? [before, after] : [after, before];
    for (const offset of offsets) {
      if (offsetMs(midnight - offset) === offset) return midnight - offset;
    }
    // Clocks skip midnight: the day begins when they do.
    let [earlier, later] = [midnight - MAX_OFFSET_MS, midnight + MAX_OFFSET_MS];
    while (later - earlier > 1) {
      const middle = Math.floor((earlier + later) / 2);
      if (localDay(middle) >= day) later = middle;
      else earlier = middle;
    }
    return later;
  }

  return {
    name,
    offsetMs,
    startOf,
    dayAt(epochMs) {
      let day = localDay(epochMs);
      // Clocks that are put back past midnight show the day before again.
      while (startOf(day + 1) <= epochMs) day += 1;
      return day;
    },
  };
}

/** `2026-11-30` */
export function dayName(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
