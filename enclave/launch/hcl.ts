/** A value of OpenTofu's language; `reference` is an expression that is written as it stands. */
type HclValue = string | number | boolean | readonly HclValue[] | { reference: string };

/** A block: its words (`resource`, type, name), arguments, nested blocks. */
export interface HclBlock {
  readonly words: readonly string[];
  readonly members: Readonly<Record<string, HclValue>>;
  readonly blocks?: readonly HclBlock[];
}

function value(item: HclValue): string {
  if (typeof item === 'string') return JSON.stringify(item).replaceAll(/([$%])\{/g, '$1$1{');
  if (typeof item === 'number' || typeof item === 'boolean') return String(item);
  if ('reference' in item) return item.reference;
  return `[${item.map(value).join(', ')}]`;
}

function render({ words, members, blocks = [] }: HclBlock, indent: string): string {
  const [kind = '', ...labels] = words;
  const inner = `${indent}  `;
  const width = Math.max(0, ...Object.keys(members).map((name) => name.length));
  const lines = Object.entries(members).map(
    ([name, item]) => `${inner}${name.padEnd(width)} = ${value(item)}\n`,
  );
  const nested = blocks.map((block, index) => {
    const gap = index > 0 || lines.length > 0 ? '\n' : '';
    return gap + render(block, inner);
  });
  const head = [kind, ...labels.map((word) => JSON.stringify(word))].join(' ');
  return `${indent}${head} {\n${lines.join('')}${nested.join('')}${indent}}\n`;
}

/** The block that says which provider a file is for, and since which version. */
export function requiredProvider(name: string, source: string, version: string): HclBlock {
  const reference = `{ source = ${value(source)}, version = ${value(`>= ${version}`)} }`;
  const provider = { words: ['required_providers'], members: { [name]: { reference } } };
  return { words: ['terraform'], members: {}, blocks: [provider] };
}

/** A file of blocks in `tofu fmt` form. */
export function renderHcl(blocks: readonly HclBlock[]): string {
  return blocks.map((block) => render(block, '')).join('\n');
}
