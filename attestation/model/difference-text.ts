import type { Definition } from './scope.js';
import { type Constant, isSparse, nameOf } from './tensor.js';
import { typeText, type ValueType } from './type.js';
import type { NodeView, ValueView } from './views.js';

export function nodeText(node: NodeView): string {
  const name = node.name === '' ? (node.outputs.find((output) => output !== '') ?? '') : node.name;
  return `${node.op} "${name}"`;
}

export function shapeText(constant: Constant): string {
  const { type } = isSparse(constant) ? constant.values : constant;
  return `${isSparse(constant) ? 'sparse ' : ''}${type.name} [${constant.dims.join(', ')}]`;
}

export function definitionText(definition: Definition): string {
  if (definition.kind === 'input') return `input "${definition.value.name}"`;
  if (definition.kind === 'constant') {
    return `constant "${nameOf(definition.constant)}" ${shapeText(definition.constant)}`;
  }
  return nodeText(definition.state.node);
}

function shownType(type: ValueType | null): string {
  if (type === null) return 'of no stated type';
  const text = typeText(type);
  if (type.kind !== 'tensor' && type.kind !== 'sparse_tensor') return text;
  return `${text} ${type.dims === null ? 'of any rank' : `[${type.dims.map((dim) => dim ?? '?').join(', ')}]`}`;
}

/** An input or output of a graph, with all of it that counts. */
export function valueText({ name, type }: ValueView, fallback: Constant | null = null): string {
  return `"${name}" ${shownType(type)}${fallback === null ? '' : ', with a default'}`;
}
