import { expect, test } from 'vitest';
import { compileExpression } from '../../../src/lib/expression/expression.ts';

const limits = { timeoutMs: 100, maxDepth: 100, maxSequence: 1000 };

test.each([
  ['customer.(first & " " & last)', ['customer', 'first', 'last', ' ']],
  ['$.priority', ['priority']],
  ['$$.priority', ['priority']],
  ['`with blank`', ['with blank']],
  ['"a text"', ['a text']],
  ['items[qty > 2].sku', ['items', 'qty', 'sku']],
  ['$sum(items.{"x": price}.x)', ['items', 'x', 'price']],
  [
    '$uppercase(tier) = "GOLD" ? vip : $map(tags, function($t) { $t.name })',
    ['GOLD', 'name', 'tags', 'tier', 'vip'],
  ],
])('%s reads these fields', (source, fields) => {
  const { reads } = compileExpression(source, limits);
  expect([...(reads ?? [])].toSorted()).toEqual(fields.toSorted());
});

test.each([
  '$',
  '$$',
  '*.x',
  '**.x',
  '$keys()',
  '$string()',
  '$lookup($, tier)',
  '$ ~> |$|{"a": 1}|',
  '$each($, $f)',
  'items.%.x',
])('%s may read any field', (source) => {
  expect(compileExpression(source, limits).reads).toBeUndefined();
});
