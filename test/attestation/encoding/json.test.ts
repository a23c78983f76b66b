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
    '{"a":1,"a" :2}',
    '{"a" :1,"a":2}',
    '{"a":1,"a":"x"}',
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

test('a text has at most as many bytes as it may', () => {
  const text = (length: number): string => `"${'a'.repeat(length - 2)}"`;
  const most = 4 * 1024 * 1024;
  assert.equal(parse(text(most)), 'a'.repeat(most - 2));
  assert.throws(() => parse(text(most + 1)), { message: /of at most 4194304 bytes, not 4194305/ });
  const short = (length: number) => parseStrictJson(text(length), 'it', 'COLLATERAL_JSON', 10);
  assert.equal(short(10), 'a'.repeat(8));
  assert.throws(() => short(11), { message: /of at most 10 bytes, not 11/ });
});

const fieldsOf = (value: unknown): JsonFields => new JsonFields(value, 'it', 'COLLATERAL_FORMAT');
/** An object with a member `m`, or without any. */
const having = (...values: readonly unknown[]): JsonFields =>
  fieldsOf(values.length === 0 ? {} : { m: values[0] });

test('members are read as what they are', () => {
  assert.deepEqual(fieldsOf({ a: 1, b: null }).names(), ['a', 'b']);
  assert.deepEqual([having(null).has('m'), having().has('m')], [true, false]);
  assert.equal(having('').text('m'), '');
  for (const number of [0, 7, 2 ** 53 - 1]) assert.equal(having(number).unsigned('m'), number);
  assert.equal(having(7).unsigned('m', 7), 7);
  assert.equal(having('aB0F').hex('m', 2), 'ab0f');
  assert.equal(having('2024-02-29T23:59:59Z').time('m').toISOString(), '2024-02-29T23:59:59.000Z');
  assert.deepEqual([having().texts('m'), having(['a', '']).texts('m')], [[], ['a', '']]);
  assert.deepEqual(having([]).list('m'), []);
  assert.equal(having(Array(256).fill({})).objects('m').length, 256);
  assert.equal(having({ n: 'x' }).object('m').text('n'), 'x');
});

for (const [kind, read, wrong] of [
  ['a text', (fields) => fields.text('m'), [1, null, ['a']]],
  ['a number', (fields) => fields.unsigned('m'), [-1, 0.5, '1', 2 ** 53, null, [1]]],
  ['a number of at most 7', (fields) => fields.unsigned('m', 7), [8]],
  [
    'hexadecimal',
    (fields) => fields.hex('m', 2),
    ['abc', 'abcde', 'abcdef', 'ab', '', 'abcg', 'abc\n', 1],
  ],
  [
    'a time',
    (fields) => fields.time('m'),
    [
      '2023-02-29T00:00:00Z',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:00:00.000Z',
      '2024-01-01T00:00:00+00:00',
      '2024-01-01T00:00:00',
      ' 2024-01-01T00:00:00Z',
      '2024-01-01',
      1,
    ],
  ],
  ['texts', (fields) => fields.texts('m'), ['a', [1], ['a', null], {}, null]],
  ['a list', (fields) => fields.list('m'), ['a', { length: 0 }, null]],
  ['objects', (fields) => fields.objects('m'), [[], [{}, 1], [[]], Array(257).fill({}), {}]],
  ['an object', (fields) => fields.object('m'), [[], 'a', null]],
] as const satisfies readonly (readonly [
  string,
  (fields: JsonFields) => unknown,
  readonly unknown[],
])[]) {
  test(`a member that is not ${kind} is refused`, () => {
    const isNeeded = kind !== 'texts';
    for (const fields of [
      ...(isNeeded ? [having()] : []),
      ...wrong.map((value) => having(value)),
    ]) {
      assert.throws(() => read(fields), { code: 'COLLATERAL_FORMAT', message: /\bit\b.*\bm\b/ });
    }
  });
}

test('what is no object has no members', () => {
  for (const value of [null, undefined, [], 'a', 1]) {
    assert.throws(() => fieldsOf(value), { code: 'COLLATERAL_FORMAT' });
  }
});
