/**
 * The interactions of dead letters, each once. Lines that were no events have none; a letter that
 * is there twice counts once.
 */
export function eventsOfLetters(bodies: Iterable<string>): Set<string> {
  const ids = new Set<string>();
  for (const body of bodies) {
    const { stage, originalEvent } = JSON.parse(body) as Letter;
    const id = originalEvent?.id;
    if (stage !== 'read' && typeof id === 'string') ids.add(id);
  }
  return ids;
}

/** As the queue and the journal have it. */
interface Letter {
  readonly stage: string;
  readonly originalEvent: { readonly id?: unknown } | null;
}
