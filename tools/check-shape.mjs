// Holds the shape of src: small folders, files and functions. `check:imports` holds that there is no
// cycle. `npm run check:shape` prints what was when src had 13 folders, what is, and what may be,
// and fails on what is more. With `-- --house` this includes the lines of src; features add some, so
// that is no lasting rule.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseSync } from '@swc/core';

/** @typedef {{ name: string, size: number }} Part */
/** @typedef {{ type?: string, span: { start: number, end: number }, body?: SyntaxNode, function?: SyntaxNode }} SyntaxNode */

const countsLines = process.argv.includes('--house');
const root = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? 'src';

/** @type {Part[]} */
const files = [];
/** @type {Part[]} */
const functions = [];
for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()) {
  if (!path.endsWith('.ts')) continue;
  const name = join(root, path);
  const source = readFileSync(name);
  files.push({ name, size: lineAt(source, source.length) - 1 });
  collectFunctions(parseSync(source.toString(), { syntax: 'typescript' }), (start, end) => {
    const line = lineAt(source, start);
    functions.push({ name: `${name}:${line}`, size: lineAt(source, end) - line + 1 });
  });
}
const folders = Array.from(
  Map.groupBy(files, ({ name }) => dirname(name)),
  ([name, inside]) => ({ name, size: inside.length }),
);
const lines = files.reduce((sum, { size }) => sum + size, 0);

/** @type {[what: string, before: number, now: number, atMost?: number | undefined, offenders?: Part[]][]} */
const rows = [
  ['lines', 25_727, lines, countsLines ? 25_726 : undefined],
  ['folders', 13, folders.length],
  ['files in the largest folder', 47, Math.max(...sizes(folders)), 16, folders],
  ['files in the median folder', 13, median(folders), 6],
  ['files', 229, files.length],
  ['lines of the longest file', 766, Math.max(...sizes(files)), 300, files],
  ['lines of the median file', 97, median(files)],
  ['functions with a block', 1424, functions.length],
  ['lines of the longest function', 227, Math.max(...sizes(functions)), 120, functions],
  ['lines of the median function', 8, median(functions), 9],
];
console.log(`${''.padEnd(30)}  before     now at most`);
for (const [what, before, now, atMost = Number.POSITIVE_INFINITY, offenders = []] of rows) {
  const cells = [before, now, Number.isFinite(atMost) ? atMost : ''].map((cell) =>
    String(cell).padStart(6),
  );
  console.log(`${what.padEnd(30)}  ${cells.join('  ')}${now > atMost ? '  FAILS' : ''}`);
  if (now > atMost) process.exitCode = 1;
  for (const { name, size } of offenders) if (size > atMost) console.log(`  ${name}: ${size}`);
}

/**
 * Calls back with where each function that has a block begins and ends in the source.
 *
 * @param {unknown} node
 * @param {(start: number, end: number) => void} found
 */
function collectFunctions(node, found) {
  if (typeof node !== 'object' || node === null) return;
  const { type, span, ...parts } = /** @type {SyntaxNode} */ (node);
  // A method keeps its block one level further down, where there is no type.
  const block = parts.body ?? parts.function?.body;
  if (type !== undefined && block?.type === 'FunctionBody') {
    // The parser counts bytes, the first one as 1.
    found(span.start - 1, span.end - 2);
  }
  for (const child of Object.values(parts)) collectFunctions(child, found);
}

/**
 * @param {Buffer} source
 * @param {number} offset
 */
function lineAt(source, offset) {
  let line = 1;
  for (let at = source.indexOf(10); at !== -1 && at < offset; at = source.indexOf(10, at + 1)) {
    line += 1;
  }
  return line;
}

/** @param {readonly Part[]} parts */
function sizes(parts) {
  return parts.map(({ size }) => size);
}

/** @param {readonly Part[]} parts */
function median(parts) {
  return sizes(parts).toSorted((a, b) => a - b)[parts.length >> 1] ?? 0;
}
