import assert from 'node:assert/strict';
import { EngineError } from '../../src/engine/error.js';

/** For `assert.rejects` and `assert.throws`: the engine's error of this reason, and with such a message. */
export function refusal(reason: EngineError['reason'], message = /./) {
  return (error: unknown): true => {
    assert.ok(error instanceof EngineError);
    assert.equal(error.reason, reason);
    assert.match(error.message, message);
    return true;
  };
}
