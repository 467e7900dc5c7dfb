import { boundCall, builtinCall } from './calls.ts';
import { arrayConstructor, objectConstructor } from './constructors.ts';
import { finite, leaveToInterpreter, toBoolean } from './functions.ts';
import { binaryOperator, type Evaluate, type Frame } from './operators.ts';
import { field, path } from './paths.ts';

/**
 * Compiles the common part of JSONata's syntax tree into closures: paths, literals, objects,
 * arrays, operators, conditions, variables and the common functions. The interpreter awaits at
 * every node and takes 35–40 µs for a plain mapping, the closures 2.
 *
 * The result must be indistinguishable. Two rules see to that: a tree with one node outside this
 * part is not compiled at all, and when an evaluation meets anything unusual (a type error, nested
 * arrays, a number JSON does not know) it is given up and the interpreter starts afresh. So errors,
 * coercions and rare shapes are always the interpreter's own.
 */
export interface CompiledExpression {
  /** `undefined` when the interpreter has to do it; bound functions must then bear a second call. */
  run(
    input: unknown,
    bindings: Readonly<Record<string, unknown>>,
  ): { readonly value: unknown } | undefined;
}

export interface CompileLimits {
  /** Longest sequence; a longer one is left to the interpreter, which raises its error. */
  readonly maxSequence: number;
  /** The interpreter counts pending nodes as depth; a larger tree might hit its guardrail. */
  readonly maxNodes: number;
}

type Node = Readonly<Record<string, unknown>>;

/** Names to slots of `Frame.variables`, by lexical scope. */
type Scope = ReadonlyMap<string, number>;

interface Compilation {
  readonly limits: CompileLimits;
  nodes: number;
  slots: number;
  /** Built-in functions in use; a binding of the same name would replace them. */
  readonly builtins: Set<string>;
}

class NotCompilable extends Error {}

function notCompilable(): never {
  throw new NotCompilable();
}

/** The compiled form of a syntax tree of `jsonata(source).ast()`, or `undefined`. */
export function compileSyntaxTree(
  tree: unknown,
  limits: CompileLimits,
): CompiledExpression | undefined {
  const compilation: Compilation = { limits, nodes: 0, slots: 0, builtins: new Set() };
  let evaluate: Evaluate;
  try {
    evaluate = compile(tree, new Map(), compilation);
  } catch (error) {
    if (error instanceof NotCompilable) return undefined;
    throw error;
  }
  const { builtins } = compilation;
  const isReplaced = (name: string) => builtins.has(name);

  return {
    run(input, bindings) {
      // A root array is wrapped by the interpreter in a way that only it understands.
      if (Array.isArray(input) || Object.keys(bindings).some(isReplaced)) return undefined;
      const frame: Frame = {
        root: input,
        bindings,
        variables: [],
        now: undefined,
      };
      try {
        return { value: evaluate(input, frame) };
      } catch {
        // Unusual, or a bound function threw: errors are the interpreter's to raise.
        return undefined;
      }
    },
  };
}

/** The node's properties, when it has no others than these: unknown ones mean unknown behaviour. */
function shape(node: unknown, allowed: readonly string[]): Node {
  if (typeof node !== 'object' || node === null) return notCompilable();
  for (const [key, value] of Object.entries(node)) {
    if (value === undefined || key === 'type' || key === 'position') continue;
    if (!allowed.includes(key)) notCompilable();
  }
  return node as Node;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : notCompilable();
}

function name(value: unknown): string {
  return typeof value === 'string' ? value : notCompilable();
}

function compile(tree: unknown, scope: Scope, compilation: Compilation): Evaluate {
  compilation.nodes += 1;
  if (compilation.nodes > compilation.limits.maxNodes) notCompilable();
  const type = typeof tree === 'object' && tree !== null && 'type' in tree ? tree.type : undefined;
  switch (type) {
    case 'string':
    case 'number':
    case 'value': {
      const { value } = shape(tree, ['value']);
      if (typeof value === 'number') finiteLiteral(value);
      return () => value;
    }
    case 'path':
      return compilePath(shape(tree, ['steps']), scope, compilation);
    case 'name': {
      const key = name(shape(tree, ['value'])['value']);
      return (input) => field(input, key);
    }
    case 'variable':
      return compileVariable(name(shape(tree, ['value'])['value']), scope);
    case 'binary':
      return compileBinary(shape(tree, ['value', 'lhs', 'rhs']), scope, compilation);
    case 'unary':
      return compileUnary(
        shape(tree, ['value', 'lhs', 'expressions', 'expression']),
        scope,
        compilation,
      );
    case 'condition':
      return compileCondition(shape(tree, ['condition', 'then', 'else']), scope, compilation);
    case 'block':
      return compileBlock(shape(tree, ['expressions']), scope, compilation);
    case 'function':
      return compileCall(shape(tree, ['value', 'arguments', 'procedure']), scope, compilation);
    default:
      return notCompilable();
  }
}

function finiteLiteral(value: number): void {
  if (!Number.isFinite(value) || Object.is(value, -0)) notCompilable();
}

function compilePath(node: Node, scope: Scope, compilation: Compilation): Evaluate {
  const steps = list(node['steps']).map((step) => {
    const isField = typeof step === 'object' && step !== null && 'type' in step;
    // An array constructor as a step does not flatten; that is the interpreter's.
    if (isField && step.type === 'unary' && 'value' in step && step.value !== '{') notCompilable();
    return {
      keepsArrays: isField && (step.type === 'name' || step.type === 'variable'),
      evaluate: compile(step, scope, compilation),
    };
  });
  return path(steps, compilation.limits.maxSequence);
}

function compileVariable(variable: string, scope: Scope): Evaluate {
  if (variable === '') return (input) => input;
  const slot = scope.get(variable);
  if (slot !== undefined) return (_input, frame) => frame.variables[slot];
  if (variable === '$') return (_input, frame) => frame.root;
  return (_input, { bindings }) => {
    const value = Object.hasOwn(bindings, variable) ? bindings[variable] : leaveToInterpreter();
    return typeof value === 'function' ? leaveToInterpreter() : value;
  };
}

function compileBinary(node: Node, scope: Scope, compilation: Compilation): Evaluate {
  const left = compile(node['lhs'], scope, compilation);
  const right = compile(node['rhs'], scope, compilation);
  return binaryOperator(node['value'], left, right) ?? notCompilable();
}

function compileUnary(node: Node, scope: Scope, compilation: Compilation): Evaluate {
  switch (node['value']) {
    case '-': {
      const operand = compile(node['expression'], scope, compilation);
      return (input, frame) => {
        const value = operand(input, frame);
        return value === undefined ? undefined : finite(-finite(value));
      };
    }
    case '[':
      return compileArray(list(node['expressions']), scope, compilation);
    case '{':
      return compileObject(list(node['lhs']), scope, compilation);
    default:
      return notCompilable();
  }
}

function compileArray(
  expressions: readonly unknown[],
  scope: Scope,
  compilation: Compilation,
): Evaluate {
  const items = expressions.map((expression) => ({
    isArray:
      typeof expression === 'object' &&
      expression !== null &&
      'value' in expression &&
      expression.value === '[',
    evaluate: compile(expression, scope, compilation),
  }));
  return arrayConstructor(items, compilation.limits.maxSequence);
}

function compileObject(
  pairs: readonly unknown[],
  scope: Scope,
  compilation: Compilation,
): Evaluate {
  const fields = pairs.map((pair) => {
    const [key, value] = list(pair);
    return {
      key: compile(key, scope, compilation),
      value: compile(value, scope, compilation),
    };
  });
  return objectConstructor(fields);
}

function compileCondition(node: Node, scope: Scope, compilation: Compilation): Evaluate {
  const condition = compile(node['condition'], scope, compilation);
  const consequent = compile(node['then'], scope, compilation);
  const alternative =
    node['else'] === undefined ? undefined : compile(node['else'], scope, compilation);
  return (input, frame) =>
    (toBoolean(condition(input, frame)) ?? false)
      ? consequent(input, frame)
      : alternative?.(input, frame);
}

/** A block opens a scope; `$x := …` directly in it holds for the expressions that follow. */
function compileBlock(node: Node, outer: Scope, compilation: Compilation): Evaluate {
  const scope = new Map(outer);
  const parts = list(node['expressions']).map((expression): Evaluate => {
    const isBind =
      typeof expression === 'object' &&
      expression !== null &&
      'type' in expression &&
      expression.type === 'bind';
    if (!isBind) return compile(expression, scope, compilation);
    const bind = shape(expression, ['value', 'lhs', 'rhs']);
    const value = compile(bind['rhs'], scope, compilation);
    const variable = name(shape(bind['lhs'], ['value'])['value']);
    const slot = compilation.slots;
    compilation.slots += 1;
    scope.set(variable, slot);
    return (input, frame) => {
      frame.variables[slot] = value(input, frame);
      return frame.variables[slot];
    };
  });
  return (input, frame) => {
    let result: unknown;
    for (const part of parts) result = part(input, frame);
    return result;
  };
}

function compileCall(node: Node, scope: Scope, compilation: Compilation): Evaluate {
  const procedure = shape(node['procedure'], ['value']);
  if (procedure['type'] !== 'variable') notCompilable();
  const functionName = name(procedure['value']);
  if (scope.has(functionName)) notCompilable();
  const args = list(node['arguments']).map((argument) => compile(argument, scope, compilation));

  const builtin = builtinCall(functionName, args);
  if (builtin === undefined) return boundCall(functionName, args);
  compilation.builtins.add(functionName);
  return builtin;
}
