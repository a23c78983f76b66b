/** A JSON value to be edited. */
type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

function edit(
  value: Json,
  path: readonly string[],
  change: (old: Json | undefined) => Json | undefined,
): Json {
  const [head, ...rest] = path;
  if (head === undefined || typeof value !== 'object' || value === null) {
    throw new Error('the path leads nowhere');
  }
  const children: Record<string, Json> = Object.fromEntries(Object.entries(value));
  const old = children[head];
  const next = rest.length === 0 ? change(old) : edit(old ?? {}, rest, change);
  if (next === undefined) delete children[head];
  else children[head] = next;
  return Array.isArray(value) ? Object.values(children) : children;
}

/** Edits compact JSON: sets the member at a dotted path, for example `tcbLevels.0.tcb.pcesvn`. */
export function set(path: string, value: Json): (text: string) => string {
  return (text) => JSON.stringify(edit(JSON.parse(text) as Json, path.split('.'), () => value));
}

/** Edits compact JSON: removes the member at a dotted path. */
export function remove(path: string): (text: string) => string {
  return (text) => JSON.stringify(edit(JSON.parse(text) as Json, path.split('.'), () => undefined));
}

/** Edits compact JSON: changes the list at a dotted path. */
export function each(
  path: string,
  change: (items: readonly Json[]) => readonly Json[],
): (text: string) => string {
  return (text) =>
    JSON.stringify(
      edit(JSON.parse(text) as Json, path.split('.'), (old) =>
        change(Array.isArray(old) ? (old as readonly Json[]) : []),
      ),
    );
}

/** One edit after the other. */
export function all(...edits: readonly ((text: string) => string)[]): (text: string) => string {
  return (text) => edits.reduce((result, change) => change(result), text);
}
