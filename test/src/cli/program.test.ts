import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { verdictOf } from '../../../attestation/appraisal/result.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { exitCodeOf } from '../../../src/cli/exit-code.js';
import { printable, size, styleFor, table } from '../../../src/cli/output.js';
import { defaultCacheDirectory } from '../../../src/client/disk-cache.js';
import { assay } from '../../forge/cli.js';

/** Every command, by walking the help of the groups. */
async function commands(path: readonly string[] = []): Promise<readonly (readonly string[])[]> {
  const { out } = await assay([...path, '--help']);
  if (!/^Usage: .*\[command\]$/m.test(out)) return [path];
  const names = [...out.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map((match) => match[1] ?? '');
  const nested = names.filter((name) => name !== 'help').map((name) => commands([...path, name]));
  return (await Promise.all(nested)).flat();
}

const all = await commands();

/** The words of a command line as a shell would pass them, for the quoting that examples use. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3] ?? '');
}

/** Commands that take no node's answer without a policy. */
const JUDGES = ['infer', 'quorum', 'conform', 'replay', 'proxy'];

/** Expects options that the command's help lists, and a policy where nothing would succeed without one. */
async function assertWorks(line: string): Promise<void> {
  const parts = words(line);
  const path = all.find((names) => names.every((name, i) => parts[i] === name));
  assert.ok(path !== undefined, line);
  const { out } = await assay([...path, '--help']);
  const known = [...out.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option);
  for (const option of parts.filter((part) => part.startsWith('--'))) {
    assert.ok(known.includes(option.split('=')[0] ?? ''), `${option} in ${line}`);
  }
  if (JUDGES.includes(path.join(' ')) && parts.length > path.length) {
    assert.ok(parts.includes('--policy'), `no --policy in ${line}`);
  }
}

describe('help', () => {
  test('finds the commands', () => {
    const names = all.map((path) => path.join(' '));
    for (const name of ['serve', 'attest', 'infer', 'verify evidence', 'verify receipt']) {
      assert.ok(names.includes(name), name);
    }
  });

  for (const path of all) {
    const name = path.join(' ');
    test(`assay ${name} has examples, and they parse`, async () => {
      const { code, out, err } = await assay([...path, '--help']);
      assert.deepEqual([code, err], [0, '']);
      const lines = [...out.matchAll(/^ {2}\$ (.*)$/gm)].map((match) => match[1] ?? '');
      const calls = lines.map((line) =>
        (line.split(/ [|>] /)[0] ?? '').replace(/^([A-Z_]+=\S+ )*assay /, ''),
      );
      assert.ok(
        calls.some((line) => line.startsWith(name)),
        'no example of its own',
      );
      for (const line of calls) {
        assert.equal((await assay([...words(line), '--help'])).err, '', line);
        await assertWorks(line);
      }
    });
  }
});

test('help names the folder that endorsements are kept in', async () => {
  const { out } = await assay(['verify', 'snp', '--help']);
  const [, named = ''] = /endorsements\s+are\s+kept\s+\(~\/([^)]+)\)/.exec(out) ?? [];
  assert.equal(join(homedir(), named), defaultCacheDirectory({}));
});

/** What a page calls, in fenced blocks and between backquotes, without comments and prompts. */
function documented(markdown: string): string[] {
  const joined = markdown.replaceAll('\\\n', ' ');
  const lines = [...joined.matchAll(/^ *(?:\$ )?assay (.*)$/gm)];
  const inline = [...joined.matchAll(/`assay ([^`]+)`/g)];
  return [...lines, ...inline].map((match) => (match[1] ?? '').replace(/ +#.*$/, ''));
}

describe('documentation', async () => {
  const root = new URL('../../../../', import.meta.url);
  const guides = (await readdir(new URL('docs/', root))).filter((name) => name.endsWith('.md'));
  for (const file of ['README.md', ...guides.map((guide) => `docs/${guide}`)]) {
    test(`${file} calls commands and options that there are, with a policy`, async () => {
      const lines = documented(await readFile(new URL(file, root), 'utf8'));
      assert.ok(lines.length > 0);
      for (const line of lines) await assertWorks(line);
    });
  }
});

test('the changelog names every format', async () => {
  const root = new URL('../../../../', import.meta.url);
  const changelog = await readFile(new URL('CHANGELOG.md', root), 'utf8');
  for (const room of ['attestation/', 'enclave/', 'src/']) {
    const names = await readdir(new URL(room, root), { recursive: true });
    for (const name of names.filter((each) => each.endsWith('.ts'))) {
      const source = await readFile(new URL(name, new URL(room, root)), 'utf8');
      for (const [format] of source.matchAll(/(urn:assay:|application\/vnd\.assay\.)[\w.:+-]+/g)) {
        assert.ok(changelog.includes(`\`${format}\``), `${format} of ${room}${name}`);
      }
    }
  }
});

describe('wrong usage', () => {
  const cases: readonly (readonly string[])[] = [
    ['no-such-command'],
    ['verify'],
    ['verify', 'nothing'],
    ['verify', 'receipt'],
    ['verify', 'receipt', 'a', 'b'],
    ['verify', 'receipt', 'a', '--nonce', 'short'],
    ['--no-such-option'],
    ['no-such-command', '--help'],
    ['--help', 'no-such-command'],
    ['no-such-command', '-h'],
    ['no-such-command', '--version'],
    ['verify', 'nothing', '--help'],
    ['verify', '--help', 'nothing'],
    ['hub', 'nothing', 'push', '-h'],
  ];
  for (const args of cases) {
    test(`assay ${args.join(' ')} exits with 2`, async () => {
      const people = await assay(args);
      assert.deepEqual([people.code, people.out], [2, '']);
      assert.notEqual(people.err, '');
      const machine = await assay([...args, '--json']);
      assert.equal(machine.code, 2);
      assert.equal(JSON.parse(machine.err).error.code, 'USAGE_ARGUMENTS');
    });
  }
  for (const args of [[], ['verify']]) {
    test(`assay ${[...args, '--json'].join(' ')} asks for a command, in JSON alone`, async () => {
      const { code, out, err } = await assay([...args, '--json']);
      assert.deepEqual([code, out], [2, '']);
      const { error } = JSON.parse(err);
      assert.deepEqual([error.code, error.message], ['USAGE_ARGUMENTS', 'expected a command']);
    });
  }
  test('--version and --help exit with 0', async () => {
    assert.match((await assay(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
    assert.match((await assay(['--help'])).out, /Exit codes: 0 affirmed/);
  });
  for (const path of [[], ['verify'], ['verify', 'snp']]) {
    test(`assay help ${path.join(' ')} prints what --help does`, async () => {
      const { code, out, err } = await assay(['help', ...path]);
      assert.deepEqual([code, out, err], [0, (await assay([...path, '--help'])).out, '']);
    });
  }
});

describe('exit codes', () => {
  const cases: readonly (readonly [unknown, number])[] = [
    [new AssayError('USAGE_FILE', ''), 2],
    [new AssayError('CONFIG_INVALID', ''), 2],
    [new AssayError('CONFIG_LISTEN', ''), 4],
    [new AssayError('POLICY_INVALID', ''), 2],
    [new AssayError('LAUNCH_POLICY_FILE', ''), 2],
    [new AssayError('LAUNCH_POLICY_MODEL', ''), 1],
    [new AssayError('ENDORSEMENTS_UNAVAILABLE', ''), 3],
    [new AssayError('CLIENT_UNCHECKED', ''), 3],
    [new AssayError('CLIENT_UNREACHABLE', ''), 4],
    [new AssayError('CLIENT_SERVICE', ''), 4],
    [new AssayError('CLIENT_SERVICE', '', Object.assign(new Error(), { code: 14 })), 4],
    [new AssayError('CLIENT_SERVICE', '', Object.assign(new Error(), { code: 3 })), 2],
    [new AssayError('CLIENT_TLS_PIN', ''), 1],
    [new AssayError('CLIENT_ANSWER', ''), 1],
    [new AssayError('PROOF_SIZE', ''), 2],
    [new AssayError('RECEIPT_SIGNATURE', ''), 1],
    [new AssayError('SNP_SIGNATURE', ''), 1],
    [new TypeError('a bug'), 4],
  ];
  for (const [error, code] of cases) {
    const name = error instanceof AssayError ? error.code : 'an unknown error';
    test(`${name} exits with ${code}`, () => assert.equal(exitCodeOf(error), code));
  }
});

describe('what is printed', () => {
  test('colour only on a terminal, and not under NO_COLOR, TERM=dumb or --json', async () => {
    const sgr = '\u001b[';
    const args = ['show', 'certificate', '/nonexistent'];
    const painted = async (options: Parameters<typeof assay>[1], more: string[] = []) =>
      (await assay([...args, ...more], options)).err.includes(sgr);
    assert.equal(await painted({ isTTY: true }), true);
    assert.equal(await painted({ isTTY: false }), false);
    assert.equal(await painted({ isTTY: true, env: { NO_COLOR: '1' } }), false);
    assert.equal(await painted({ isTTY: true, env: { NO_COLOR: '' } }), true);
    assert.equal(await painted({ isTTY: true, env: { TERM: 'dumb' } }), false);
    assert.equal(await painted({ isTTY: true }, ['--json']), false);
  });

  test('names from evidence cannot write to the terminal', () => {
    assert.equal(printable('a\u001b[2Jb\n\u202ec\u2028'), 'a\\u{1b}[2Jb\\u{a}\\u{202e}c\\u{2028}');
    assert.equal(printable('Grüße 模型'), 'Grüße 模型');
    const { red } = styleFor(true);
    assert.equal(table([[{ text: '\u001b', style: red }, 'x']]), '\u001b[31m\\u{1b}\u001b[39m  x');
  });

  test('columns are padded to their widest cell', () => {
    assert.equal(
      table(
        [
          ['a', 'b'],
          ['long', 'c'],
        ],
        '> ',
      ),
      '> a     b\n> long  c',
    );
    assert.deepEqual(
      [size(1023), size(1024), size(3 * 1024 ** 3)],
      ['1023 B', '1.0 KiB', '3.0 GiB'],
    );
  });
});

test('a result with a failure and something unchecked is refused, not unchecked', () => {
  const check = { id: 'x', expected: '', actual: '', reason: '', reference: '' };
  const base = {
    tee: null,
    authentic: true,
    affirmed: false,
    code: 'x',
    summary: '',
    simulated: false,
    trustAnchor: null,
    at: '',
    fresh: false,
    claims: {},
    caveats: [],
  };
  const verdict = (...outcomes: ('pass' | 'fail' | 'waived' | 'unchecked')[]) =>
    verdictOf({ ...base, checks: outcomes.map((outcome) => ({ ...check, outcome })) });
  assert.equal(verdict('pass', 'unchecked'), 'unchecked');
  assert.equal(verdict('fail', 'unchecked'), 'refused');
  assert.equal(verdict('waived', 'fail'), 'refused');
});
