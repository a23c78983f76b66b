import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { renderHcl } from '../../../enclave/launch/hcl.js';
import type { LaunchTarget } from '../../../enclave/launch/render.js';
import { element, renderXml } from '../../../enclave/launch/xml.js';
import { assay } from '../../forge/cli.js';
import { SNP } from '../../forge/deployment.js';

/** Every punctuation mark that deployments may hold, and what HCL takes for a directive. */
const TEXT = '!#%&()*+,-./09:;<=>?@AZ[]^_az{|}~ %{if} x';
const PATH = TEXT.replaceAll(/[ ,]/g, '');
/** Folders are named by their owners: nothing limits these. */
const FOLDER = `a'b $(touch c) "d" \`e\` &amp;<f>,\\\ng é`;

const DEPLOYMENT = {
  ...SNP,
  launchPolicy: 'policy.json',
  boot: { firmware: `1${PATH}`, kernel: `2${PATH}`, initrd: `3${PATH}`, commandLine: TEXT },
  gcp: { ...SNP.gcp, project: TEXT, network: PATH },
  aws: { ...SNP.aws, region: TEXT },
  azure: { ...SNP.azure, location: TEXT },
};

let root = '';
const located = (name: string): string => resolve(root, FOLDER, name);

/** The files of a target, as the command line writes them. */
async function written(target: LaunchTarget, name: string): Promise<string> {
  const output = join(root, target);
  const { code, err } = await assay([
    ...['launch', located('deployment.json')],
    ...['--target', target, '--output', output],
  ]);
  assert.equal(code, 0, err);
  return join(output, name);
}

/**
 * The text of each element, by its name; throws for what is
 * not well-formed (XML 1.0, without comments and CDATA).
 */
function xmlTexts(xml: string): Map<string, string> {
  const tokens = /<\/?(\w+)(?: \w+='([^'<&]|&\w+;)*')*\/?>|((?:[^<&]|&\w+;)+)/y;
  const texts = new Map<string, string>();
  let name = '';
  while (tokens.lastIndex < xml.length) {
    const at = tokens.lastIndex;
    const [token, opened, , text] = tokens.exec(xml) ?? [];
    assert.ok(token !== undefined, `no XML: ${xml.slice(at, at + 80)}`);
    if (text === undefined) name = token.startsWith('</') ? '' : (opened ?? '');
    else texts.set(name, unescapeXml(text));
  }
  return texts;
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', apos: "'", quot: '"' };
  return text.replaceAll(
    /&(\w+);/g,
    (entity, name: string) => entities[name] ?? assert.fail(entity),
  );
}

/** The arguments that are literal strings (HCL native syntax, "Template Expressions"); throws for any template. */
function hclTexts(hcl: string): Map<string, string> {
  const literals = [...hcl.matchAll(/^ *(\w+) += "((?:[^"\\\n]|\\.)*)"$/gm)];
  return new Map(
    literals.map(([, name = '', text = '']) => {
      assert.doesNotMatch(text.replaceAll(/([$%])\1\{/g, ''), /[$%]\{/, `a template: ${text}`);
      return [name, JSON.parse(`"${text.replaceAll(/([$%])\1\{/g, '$1{')}"`) as string];
    }),
  );
}

suite('launch files that hold what shells, XML and HCL give a meaning', () => {
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'assay-escaping-'));
    await mkdir(located(''));
    await mkdir(join(root, 'bin'));
    await writeFile(located('deployment.json'), JSON.stringify(DEPLOYMENT));
    const policy = { version: 1, models: [{ graph: '11'.repeat(32) }] };
    await writeFile(located('policy.json'), JSON.stringify(policy));
    for (const program of ['qemu-system-x86_64', 'gcloud', 'aws', 'az']) {
      const path = join(root, 'bin', program);
      await writeFile(path, '#!/bin/sh\nprintf "%s\\0" "$@"\n');
      await chmod(path, 0o755);
    }
  });
  after(() => rm(root, { recursive: true }));

  for (const [target, words] of [
    [
      'qemu',
      () => [
        ...['-bios', located(`1${PATH}`), '-kernel', located(`2${PATH}`)],
        ...['-initrd', located(`3${PATH}`), '-append', TEXT],
      ],
    ],
    ['gcp', () => [`--project=${TEXT}`]],
    ['aws', () => ['--region', TEXT]],
    ['azure', () => ['--location', TEXT]],
  ] as const) {
    test(`the program that ${target}.sh starts gets them as they are`, async () => {
      const script = await written(target, `${target}.sh`);
      const env = { PATH: `${join(root, 'bin')}:/usr/bin:/bin` };
      const { stdout, stderr } = spawnSync('sh', [script], { env, cwd: root, encoding: 'utf8' });
      assert.equal(stderr, '');
      const given = stdout.split('\0');
      const first = given.indexOf(words()[0] ?? '');
      assert.deepEqual(given.slice(first, first + words().length), words());
    });
  }

  test("libvirt reads them out of the domain's XML as they are", async () => {
    const texts = xmlTexts(await readFile(await written('libvirt', 'domain.xml'), 'utf8'));
    assert.deepEqual(
      ['loader', 'kernel', 'initrd', 'cmdline'].map((name) => texts.get(name)),
      [...[1, 2, 3].map((number) => located(`${number}${PATH}`)), TEXT],
    );
  });

  for (const [target, name] of [
    ['gcp', 'project'],
    ['aws', 'region'],
    ['azure', 'location'],
  ] as const) {
    test(`OpenTofu reads them out of ${target}.tf as they are`, async () => {
      const texts = hclTexts(await readFile(await written(target, `${target}.tf`), 'utf8'));
      assert.equal(texts.get(name), TEXT);
    });
  }

  test('a quote within an attribute does not end it', () => {
    assert.equal(renderXml(element('a', { b: `'&<` })), "<a b='&apos;&amp;&lt;'/>\n");
  });

  for (const text of [...['$', '%'].map((mark) => `${mark}{a}`), '"b\\']) {
    test(`${text} is text in HCL`, () => {
      const hcl = renderHcl([{ words: ['block'], members: { name: text } }]);
      assert.equal(hclTexts(hcl).get('name'), text);
    });
  }
});
