import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from '../vectors.js';
import { buildGo, debianPackage, python, withoutGo, withoutPython } from './peers.js';

const golden = join(repositoryRoot, 'test/enclave/launch/golden');
const goldenFiles = (suffix: string): string[] =>
  readdirSync(golden)
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(golden, name));

const hasXmllint = spawnSync('xmllint', ['--version']).error === undefined;
const withoutXmllint = hasXmllint ? false : 'xmllint is not here: install libxml2-utils';
const libvirt = await debianPackage('libvirt-common');

test("libvirt's own schema accepts every domain", {
  skip: withoutXmllint || libvirt.missing,
}, () => {
  const schema = join(libvirt.root, 'usr/share/libvirt/schemas/domain.rng');
  const domains = goldenFiles('domain.xml.golden');
  assert.ok(domains.length >= 3);
  for (const domain of domains) {
    const { status, stderr } = spawnSync('xmllint', ['--noout', '--relaxng', schema, domain]);
    assert.equal(status, 0, stderr.toString());
  }
  const broken = readFileSync(domains[0] ?? '', 'utf8').replaceAll('hostData', 'hostdata');
  const refused = spawnSync('xmllint', ['--noout', '--relaxng', schema, '-'], { input: broken });
  assert.notEqual(refused.status, 0, 'the schema tells a misspelt element');
});

test("Kubernetes' published schemas accept every manifest", { skip: withoutPython }, () => {
  const script = `
import sys, yaml, kubernetes_validate
count = 0
for path in sys.argv[1:]:
    for document in yaml.safe_load_all(open(path)):
        kubernetes_validate.validate(document, "1.33", strict=True)
        count += 1
print(count)
`;
  const files = goldenFiles('kubernetes.yaml.golden');
  assert.ok(files.every((file) => existsSync(file)) && files.length >= 2);
  const count = Number(execFileSync(python, ['-c', script, ...files]).toString());
  assert.equal(count, 4 * files.length);
});

/** Has KServe's published resource definitions. Go checks the module against its checksum database. */
const KSERVE = 'github.com/kserve/kserve@v0.16.0';
const { status: kserveStatus, stdout: kserve } = withoutPython
  ? { status: null, stdout: '' }
  : spawnSync('go', ['mod', 'download', '-json', KSERVE], { cwd: tmpdir(), timeout: 180_000 });
const withoutKserve =
  withoutPython || (kserveStatus === 0 ? false : 'there is no Go here that could fetch KServe');

test("KServe's published schemas accept every manifest", { skip: withoutKserve }, () => {
  const { Dir: module } = JSON.parse(kserve.toString()) as { readonly Dir: string };
  // A cluster drops members that a schema does not know: here they are errors.
  const script = `
import copy, sys, yaml, jsonschema, kubernetes_validate
def strict(schema):
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    known = {name: strict(item) for name, item in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        known.setdefault("additionalProperties", False)
    return known
schemas = {}
for plural in ("servingruntimes", "inferenceservices"):
    definition = yaml.safe_load(open(f"{sys.argv[1]}/config/crd/full/serving.kserve.io_{plural}.yaml"))
    for version in definition["spec"]["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        name = f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"]
        schemas[name] = jsonschema.Draft202012Validator(schema)
def accepts(document):
    schema = schemas.get((document["apiVersion"], document["kind"]))
    if schema is None:
        return kubernetes_validate.validate(document, "1.33", strict=True)
    schema.validate(document)
count = 0
for path in sys.argv[2:]:
    for document in yaml.safe_load_all(open(path)):
        accepts(document)
        count += 1
        changed = copy.deepcopy(document)
        changed["spec"]["misspelt"] = 1
        try:
            accepts(changed)
        except Exception:
            continue
        sys.exit(f"{path}: a member without a meaning passes in {document['kind']}")
assert len(schemas) >= 2
print(count)
`;
  const files = goldenFiles('kserve.yaml.golden');
  assert.ok(files.length >= 2);
  const count = Number(execFileSync(python, ['-c', script, module, ...files]).toString());
  assert.equal(count, 3 * files.length);
});

/** Providers' schemas are on registries alone: this is the language, not the meaning of attributes. */
test("HashiCorp's own parser reads every Terraform file", { skip: withoutGo('go-hcl') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'assay-hcl-'));
  try {
    const binary = buildGo('go-hcl');
    const read = (files: readonly string[]): { blocks: string[]; error: string }[] =>
      execFileSync(binary, files)
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const files = goldenFiles('.tf.golden');
    assert.ok(files.length >= 4);
    const resource = /^resource (aws_instance|azapi_resource|google_compute_instance) assay$/;
    for (const [index, { blocks, error }] of read(files).entries()) {
      assert.equal(error, '', files[index]);
      assert.ok(
        blocks.some((block) => resource.test(block)),
        files[index],
      );
    }
    const broken = join(folder, 'broken.tf');
    writeFileSync(broken, readFileSync(files[0] ?? '', 'utf8').replace('=', '=='));
    assert.notEqual(read([broken])[0]?.error, '');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
