import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { test } from 'node:test';
import { isReplaced } from '../../../src/system/replace-file.js';
import { testFolder } from '../../forge/test-folder.js';

const { at, place } = testFolder();

test('a file is made, or replaced under the name and the permissions that it has', async () => {
  place({ 'own/kept': 'before' });
  chmodSync(at('own/kept'), 0o640);
  symlinkSync('own/kept', at('link'));
  assert.equal(await isReplaced(at('own/new'), 'new', true), true);
  assert.equal(await isReplaced(at('link'), 'after', false), true);
  assert.deepEqual(readdirSync(at('own')).sort(), ['kept', 'new']);
  assert.ok(lstatSync(at('link')).isSymbolicLink());
  assert.equal(readFileSync(at('own/kept'), 'utf8'), 'after');
  assert.equal(lstatSync(at('own/kept')).mode & 0o777, 0o640);
});

test('what is no file of its own is left to be written through', async () => {
  place({ 'through/one': 'before' });
  linkSync(at('through/one'), at('through/two'));
  symlinkSync('nowhere', at('through/dangling'));
  for (const name of ['one', 'dangling']) {
    assert.equal(await isReplaced(at('through', name), 'after', true), false, name);
  }
  assert.equal(await isReplaced('/dev/null', 'after', true), false);
  place({ 'through/open': 'before' });
  const file = openSync(at('through/open'), 'r');
  for (const name of [`/dev/fd/${file}`, `/proc/self/fd/${file}`]) {
    assert.equal(await isReplaced(name, 'after', true), false, name);
  }
  closeSync(file);
  rmSync(at('through/open'));
  assert.equal(readFileSync(at('through/two'), 'utf8'), 'before');
  assert.deepEqual(readdirSync(at('through')).sort(), ['dangling', 'one', 'two']);
});
