import { join } from 'node:path';
import { parse } from 'yaml';
import { repositoryRoot } from '../vectors.js';

/** Where the operator's guides are. */
export const docs = join(repositoryRoot, 'docs');

/** Blocks of a page in this language, without their indentation. */
export function blocks(page: string, language: string): string[] {
  const fences = /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm;
  return [...page.matchAll(fences)]
    .filter(([, , named]) => named === language)
    .map(([, indent = '', , text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** The YAML files that a page shows under this name, in their first line. */
export const files = (page: string, name: string): string[] =>
  blocks(page, 'yaml').filter((text) => text.startsWith(`# ${name}\n`));

/** A policy with digests where the page has an ellipsis; `include` is the command line's own. */
export function filledIn(text: string): unknown {
  const { include: _, ...policy } = parse(
    text
      .replaceAll(/graph: "…"/g, `graph: "${'ab'.repeat(32)}"`)
      .replaceAll('"…"', `"${'cd'.repeat(48)}"`),
  ) as Record<string, unknown>;
  return policy;
}
