/** One word of a POSIX shell command, quoted only where it must be. */
function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command with one option and its values a line. */
export function shellCommand(words: readonly string[]): string {
  const lines: string[][] = [];
  for (const word of words) {
    const line = lines.at(-1);
    const startsOption = word.startsWith('-') && /^--?[a-z]/.test(word);
    if (line === undefined || startsOption) lines.push([shellWord(word)]);
    else line.push(shellWord(word));
  }
  return lines.map((line) => line.join(' ')).join(' \\\n  ');
}

/** A script that stops at the first failure. */
export function shellScript(comment: readonly string[], ...commands: readonly string[]): string {
  const remarks = comment.map((line) => `# ${line}`).join('\n');
  return `#!/bin/sh\n${remarks}\nset -eu\n${commands.join('\n')}\n`;
}
