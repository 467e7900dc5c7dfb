type Release = () => unknown;

/**
 * What was acquired, and how to give it back: the last one first, each even when another fails,
 * also after a start that failed half way.
 */
export interface Releasers {
  push(name: string, release: Release): void;
  /** Idempotent. Throws an AggregateError when something could not be released. */
  release(): Promise<void>;
}

export function createReleasers(): Releasers {
  const acquired: { name: string; release: Release }[] = [];
  let releasing: Promise<void> | undefined;

  async function releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let last = acquired.pop(); last !== undefined; last = acquired.pop()) {
      try {
        await last.release();
      } catch (error) {
        failures.push(new Error(`Could not release ${last.name}`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'Some parts could not be released');
  }

  return {
    push(name, release) {
      acquired.push({ name, release });
    },
    release() {
      releasing ??= releaseAll();
      return releasing;
    },
  };
}
