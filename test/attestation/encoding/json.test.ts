import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { JsonFields, parseStrictJson } from '../../../attestation/encoding/json.js';
import { AssayError } from '../../../attestation/index.js';
import { fc } from '../../property.js';

const parse = (input: string | Uint8Array): unknown =>
  parseStrictJson(input, 'the text', 'COLLATERAL_JSON');
const refused = (error: unknown): boolean =>
  error instanceof AssayError && error.code === 'COLLATERAL_JSON';

const anyJson = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 5 }),
  ),
})).value;

test('what JSON.parse reads without a repeated member is read the same, in any white space', () => {
  fc.assert(
    fc.property(anyJson, fc.nat(4), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      assert.deepEqual(parse(text), JSON.parse(text));
      assert.deepEqual(parse(utf8(text)), JSON.parse(text));
    }),
  );
});

test('a repeated member is refused at any depth, however it is spelt', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(6), fc.boolean(), (name, depth, escaped) => {
      const key = JSON.stringify(name);
      const spelt = escaped ? `"${escape16(name)}"` : key;
      const object = `{${key}:1,"other member":[{}],${spelt}:2}`;
      const text = '[{"a":'.repeat(depth) + object + '}]'.repeat(depth);
      if (name !== 'other member') assert.throws(() => parse(text), refused);
    }),
  );
});

/** Every UTF-16 unit as an escape. */
function escape16(text: string): string {
  return Array.from(
    { length: text.length },
    (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');
}

test('a repeated member is refused in any white space and beside strings with colons', () => {
  for (const text of [
    '{"a" :1,"a"\t:2}',
    '{"a"\r:1,\n"a"\n:2}',
    '{"a":"x:","a":"\\":"}',
    '{"a":{"b":1,"c":2},"a":{}}',
    '[{"b":":"},{"a": 1, "a": 1}]',
    '{"__proto__":1,"__proto__":2}',
    '{"0":1,"0":2}',
  ]) {
    assert.throws(() => parse(text), refused, text);
  }
});

test('strings that look like members are no members', () => {
  const text = '{"a":"\\"a\\":1,{","b":[{"a":1},{"a":1}],"c":{"a":2}}';
  assert.deepEqual(parse(text), JSON.parse(text));
  const spaced = `{ "a" : "x" , "b" : { "a" : "a" } , "c" : [ "a" , "a" ] }`;
  assert.deepEqual(parse(spaced), JSON.parse(spaced));
});

test('what is no JSON text is refused', () => {
  const wrong = ['', '{}{}', '{},', "{'a':1}", '{"a":1,}', '\ufeff{}', 'NaN', '01', '"\\x"'];
  for (const text of wrong) assert.throws(() => parse(text), refused, text);
  assert.throws(() => parse(Uint8Array.of(0x22, 0xff, 0x22)), refused);
  assert.throws(() => parse('['.repeat(1_000_000)), refused);
  assert.throws(() => parse(`"${'a'.repeat(5_000_000)}"`), refused);
});

test('inherited members are not members', () => {
  const fields = new JsonFields(JSON.parse('{"__proto__":{"a":"x"}}'), 'it', 'COLLATERAL_FORMAT');
  for (const name of ['toString', 'constructor', 'a']) {
    assert.equal(fields.has(name), false);
    assert.throws(() => fields.text(name), { code: 'COLLATERAL_FORMAT' });
  }
});
