#!/usr/bin/env node
import { EXIT } from './exit-code.js';
import { run } from './program.js';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return; // who reads has seen enough
  process.stderr.write(`error USAGE_FILE: cannot write to standard output: ${error.message}\n`);
  process.exit(EXIT.usage);
});
// Nobody is left to be told: the exit code still says it, and a proxy goes on.
process.stderr.on('error', () => {});

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  now: () => new Date(),
});
// A call that failed may have left a reader behind, who waits for whoever writes.
process.stdin.destroy();
