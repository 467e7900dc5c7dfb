import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createInheritance } from '../../../src/attributes/definitions/inheritance.ts';
import { createPermissionCheck } from '../../../src/attributes/definitions/permission-check.ts';
import type { AttributeDefinition } from '../../../src/attributes/ports.ts';
import { UpstreamError } from '../../../src/errors.ts';
import { permissionMissing } from '../../../src/genesys/failures.ts';
import { createCache } from '../../../src/lib/cache.ts';

const definition = (name: string): AttributeDefinition => ({
  name,
  type: 'string',
  validationRules: [],
});

/** A tree as `{unit: parent}`; each unit defines `shared` and an attribute of its own name. */
function tree(parents: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  let failing: string | undefined;
  const inheritance = createInheritance({
    cache: createCache({ ttlMs: 1000, maxEntries: 1000 }),
    definitions: {
      async ofUnit(orgId) {
        asked.push(`definitions ${orgId}`);
        if (failing === `definitions ${orgId}`) throw new Error('away');
        return [definition('shared'), definition(orgId)];
      },
      define: async () => 'existed',
    },
    units: {
      async parentOf(orgId) {
        asked.push(`parent ${orgId}`);
        if (failing === `parent ${orgId}`) throw new Error('away');
        return parents[orgId];
      },
    },
  });
  return {
    asked,
    fail: (what: string | undefined) => {
      failing = what;
    },
    effective: (orgId: string) => inheritance.effective(orgId),
  };
}

describe('inheritance', () => {
  test('own definitions and those of all ancestors, the nearest wins, each with its origin', async () => {
    const { effective } = tree({ c: 'b', b: 'a' });
    const result = await effective('c');
    expect(result.levels).toEqual(['c', 'b', 'a']);
    expect([...result.attributes].map(([name, { origin }]) => [name, origin])).toEqual([
      ['shared', 'c'],
      ['c', 'c'],
      ['b', 'b'],
      ['a', 'a'],
    ]);
  });

  test.each([
    ['a unit that is its own parent', { a: 'a' }, ['a']],
    ['a circle', { a: 'b', b: 'c', c: 'b' }, ['a', 'b', 'c']],
  ])('%s: each unit counts once, with a warning', async (_name, parents, levels) => {
    const result = await tree(parents).effective('a');
    expect(result.levels).toEqual(levels);
    expect(result.warnings).toHaveLength(1);
  });

  test('a parent that does not exist ends the tree', async () => {
    expect((await tree({ a: 'ghost' }).effective('a')).levels).toEqual(['a', 'ghost']);
  });

  test('20 levels are fine, one more is an error', async () => {
    const parents = Object.fromEntries(
      Array.from({ length: 30 }, (_, level) => [`u${level}`, `u${level + 1}`]),
    );
    await expect(tree(parents).effective('u11')).resolves.toMatchObject({ warnings: [] });
    await expect(tree(parents).effective('u10')).rejects.toMatchObject({
      code: 'organisation_tree_too_deep',
    });
  });

  test.each(['definitions c', 'definitions a', 'parent b'])(
    'a failure of "%s" is a failure, and is not kept',
    async (what) => {
      const { effective, fail } = tree({ c: 'b', b: 'a' });
      fail(what);
      await expect(effective('c')).rejects.toThrow('away');
      fail(undefined);
      expect((await effective('c')).levels).toEqual(['c', 'b', 'a']);
    },
  );

  test('a thousand callers ask once, and siblings share their parents', async () => {
    const { asked, effective } = tree({ left: 'top', right: 'top' });
    await Promise.all(Array.from({ length: 1000 }, () => effective('left')));
    await effective('right');
    expect(asked.toSorted()).toEqual(
      ['left', 'right', 'top']
        .flatMap((unit) => [`definitions ${unit}`, `parent ${unit}`])
        .toSorted(),
    );
  });

  test('the same levels give the same object, so that validators are compiled once', async () => {
    const { effective } = tree({ b: 'a' });
    expect(await effective('b')).toBe(await effective('b'));
  });

  test('any tree ends, and a unit is never counted twice', async () => {
    const unit = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    await fc.assert(
      fc.asyncProperty(fc.dictionary(unit, unit), unit, async (parents, start) => {
        const { levels } = await tree(parents).effective(start);
        expect(new Set(levels).size).toBe(levels.length);
        for (const [index, level] of levels.slice(0, -1).entries()) {
          expect(parents[level]).toBe(levels[index + 1]);
        }
      }),
    );
  });
});

describe('the permission check', () => {
  function check(granted: ReadonlySet<string>, ttlMs = 1000) {
    let asked = 0;
    let nowMs = 0;
    const permissionCheck = createPermissionCheck({
      cache: createCache({ ttlMs: 3_600_000, maxEntries: 10, now: () => nowMs }),
      ttlMs,
      permissions: {
        async effective() {
          asked += 1;
          return granted;
        },
        missing: permissionMissing,
      },
    });
    return { permissionCheck, asked: () => asked, sleep: (ms: number) => void (nowMs += ms) };
  }

  test('is asked once for all, again after its time, and after forget()', async () => {
    const { permissionCheck, asked, sleep } = check(new Set(['customattributes:write']));
    const ask = () => permissionCheck.require('customattributes:write');
    await Promise.all([ask(), ask(), ask()]);
    expect(asked()).toBe(1);
    sleep(1001);
    await ask();
    expect(asked()).toBe(2);
    permissionCheck.forget();
    await ask();
    expect(asked()).toBe(3);
  });

  test('names the missing permission and who grants it', async () => {
    const failure = check(new Set(['other'])).permissionCheck.require('analytics:read');
    await expect(failure).rejects.toBeInstanceOf(UpstreamError);
    await expect(failure).rejects.toMatchObject({
      code: 'genesys_permission_missing',
      kind: 'systemic',
      missingPermission: 'analytics:read',
      message: expect.stringContaining('Admin >') as string,
    });
  });
});
