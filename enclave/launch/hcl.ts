/** Arguments of a block, or members of an object, those of several lines last. */
type HclMembers = Readonly<Record<string, HclValue>>;

/** A value of OpenTofu's language; `reference` is an expression that is written as it stands. */
type HclValue =
  | string
  | number
  | boolean
  | readonly HclValue[]
  | { readonly reference: string }
  | { readonly object: HclMembers };

/** A block: its words (`resource`, type, name), arguments, nested blocks. */
export interface HclBlock {
  readonly words: readonly string[];
  readonly members: HclMembers;
  readonly blocks?: readonly HclBlock[];
}

function value(item: HclValue, indent: string): string {
  if (typeof item === 'string') return JSON.stringify(item).replaceAll(/([$%])\{/g, '$1$1{');
  if (typeof item === 'number' || typeof item === 'boolean') return String(item);
  if ('reference' in item) return item.reference;
  if ('object' in item) return `{\n${lines(item.object, `${indent}  `)}${indent}}`;
  return `[${item.map((each) => value(each, indent)).join(', ')}]`;
}

/** One member a line, with their signs of equality below each other up to the first of several lines. */
function lines(members: HclMembers, indent: string): string {
  const texts = Object.entries(members).map(([name, item]) => [name, value(item, indent)] as const);
  const short = texts.filter(([, text]) => !text.includes('\n'));
  const width = Math.max(0, ...short.map(([name]) => name.length));
  return texts
    .map(
      ([name, text]) => `${indent}${text.includes('\n') ? name : name.padEnd(width)} = ${text}\n`,
    )
    .join('');
}

function render({ words, members, blocks = [] }: HclBlock, indent: string): string {
  const [kind = '', ...labels] = words;
  const inner = `${indent}  `;
  const own = lines(members, inner);
  const nested = blocks.map((block, index) => {
    const gap = index > 0 || own !== '' ? '\n' : '';
    return gap + render(block, inner);
  });
  const head = [kind, ...labels.map((word) => JSON.stringify(word))].join(' ');
  return `${indent}${head} {\n${own}${nested.join('')}${indent}}\n`;
}

/** The block that says which providers a file is for, by their names, and since which versions. */
export function requiredProviders(
  providers: Readonly<Record<string, { readonly source: string; readonly since: string }>>,
): HclBlock {
  const members = Object.entries(providers).map(([name, { source, since }]) => [
    name,
    { reference: `{ source = ${value(source, '')}, version = ${value(`>= ${since}`, '')} }` },
  ]);
  const block = { words: ['required_providers'], members: Object.fromEntries(members) };
  return { words: ['terraform'], members: {}, blocks: [block] };
}

/** A file of blocks in `tofu fmt` form. */
export function renderHcl(blocks: readonly HclBlock[]): string {
  return blocks.map((block) => render(block, '')).join('\n');
}
