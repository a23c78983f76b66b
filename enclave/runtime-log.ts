import { concat, equalBytes } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import {
  encodeRuntimeLog,
  MAX_RUNTIME_EVENTS,
  type RuntimeEvent,
  replayRuntimeLog,
  runtimeEventDigest,
} from '../attestation/evidence/event-log.js';
import type { AdmittedModel } from './manifest.js';
import type { Platform, RuntimeRegister } from './platform/platform.js';
import { unknownRtmr } from './platform/rtmr.js';

/**
 * What the enclave did, as RTMR3 tells it (TDX): one writer for the register and the log, so that the
 * one always leads to the other. Where there is no register, there is no log. Once it cannot be told
 * what the register holds, everything here fails with PLATFORM_RTMR_UNKNOWN.
 */
export class RuntimeLog {
  readonly #register: RuntimeRegister | undefined;
  readonly #events: RuntimeEvent[] = [];
  /** What the events lead to. */
  #held: Uint8Array = replayRuntimeLog([]);
  /** Unloads that the register has not taken yet, in order. */
  readonly #untold: RuntimeEvent[] = [];
  #unknown: AssayError | undefined;

  private constructor(register: RuntimeRegister | undefined) {
    this.#register = register;
  }

  /**
   * An empty log. Rejects with PLATFORM_RTMR_UNKNOWN where the register was extended before, as by a process
   * that ended in the same guest: no verifier would accept a log that begins there.
   */
  static async begin({ rtmr3 }: Pick<Platform, 'rtmr3'>): Promise<RuntimeLog> {
    const log = new RuntimeLog(rtmr3);
    if (rtmr3 === undefined || equalBytes(await rtmr3.read(), log.#held)) return log;
    throw unknownRtmr('it was extended before this process began');
  }

  async #record(event: RuntimeEvent): Promise<void> {
    if (this.#register === undefined) return;
    if (this.#unknown !== undefined) throw this.#unknown;
    try {
      this.#held = await this.#register.extend(this.#held, runtimeEventDigest(event));
    } catch (error) {
      if (error instanceof AssayError && error.code === 'PLATFORM_RTMR_UNKNOWN') {
        this.#unknown = error;
      }
      throw error;
    }
    this.#events.push(event);
  }

  /** The launch policy that is enforced from here on. */
  enforced(digest: Uint8Array): Promise<void> {
    return this.#record({ type: 'launch-policy', content: digest });
  }

  /**
   * A model that is about to be loaded. Rejects, and tells of none, where unloads are still untold, as
   * `tellUnloads` does, and with EVENT_LOG_FULL where the log would have no room left to tell of the unloading
   * of every loaded model.
   */
  async loading({ graph, execution }: AdmittedModel): Promise<void> {
    await this.tellUnloads();
    const loaded = this.#count('model') - this.#count('unload');
    if (this.#events.length + loaded + 2 > MAX_RUNTIME_EVENTS) {
      throw new AssayError(
        'EVENT_LOG_FULL',
        `RTMR3's log takes ${MAX_RUNTIME_EVENTS} events in an epoch and has ${this.#events.length}, with ${loaded} models loaded: expected a reboot of the guest before another is`,
      );
    }
    await this.#record({ type: 'model', content: concat(graph, execution) });
  }

  /** A model whose sessions are gone. Where the register does not take it now, `tellUnloads` tells of it. */
  unloaded({ graph, execution }: AdmittedModel): Promise<void> {
    this.#untold.push({ type: 'unload', content: concat(graph, execution) });
    return this.tellUnloads();
  }

  /** Tells of the unloads that the register did not take before; rejects at the first that it does not take. */
  async tellUnloads(): Promise<void> {
    for (let [next] = this.#untold; next !== undefined; [next] = this.#untold) {
      await this.#record(next);
      this.#untold.shift();
    }
  }

  #count(type: RuntimeEvent['type']): number {
    return this.#events.filter((event) => event.type === type).length;
  }

  /** The log's bytes; null where the platform has no register. */
  encode(): Uint8Array | null {
    if (this.#unknown !== undefined) throw this.#unknown;
    return this.#register === undefined ? null : encodeRuntimeLog(this.#events);
  }
}
