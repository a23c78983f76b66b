import { concat } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import {
  encodeRuntimeLog,
  MAX_RUNTIME_EVENTS,
  type RuntimeEvent,
  runtimeEventDigest,
} from '../attestation/evidence/event-log.js';
import type { AdmittedModel } from './manifest.js';
import type { Platform } from './platform/platform.js';

/**
 * What the enclave did, as RTMR3 tells it (TDX): one writer for the register and the log, so that the
 * one always leads to the other. Where there is no register, there is no log. Once it cannot be told
 * what the register holds, everything here fails with PLATFORM_RTMR_UNKNOWN.
 */
export class RuntimeLog {
  readonly #extend: Platform['extendRtmr3'];
  readonly #events: RuntimeEvent[] = [];
  #unknown: AssayError | undefined;

  constructor({ extendRtmr3 }: Platform) {
    this.#extend = extendRtmr3;
  }

  async #record(event: RuntimeEvent): Promise<void> {
    if (this.#extend === undefined) return;
    if (this.#unknown !== undefined) throw this.#unknown;
    try {
      await this.#extend(runtimeEventDigest(event));
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
   * A model that is about to be loaded. Rejects with EVENT_LOG_FULL, and extends nothing, where the log
   * would have no room left to tell of the unloading of every loaded model.
   */
  async loading({ graph, execution }: AdmittedModel): Promise<void> {
    const loaded = this.#count('model') - this.#count('unload');
    if (this.#events.length + loaded + 2 > MAX_RUNTIME_EVENTS) {
      throw new AssayError(
        'EVENT_LOG_FULL',
        `RTMR3's log takes ${MAX_RUNTIME_EVENTS} events in an epoch and has ${this.#events.length}, with ${loaded} models loaded: expected a restart before another is`,
      );
    }
    await this.#record({ type: 'model', content: concat(graph, execution) });
  }

  /** A model whose sessions are gone. */
  unloaded({ graph, execution }: AdmittedModel): Promise<void> {
    return this.#record({ type: 'unload', content: concat(graph, execution) });
  }

  #count(type: RuntimeEvent['type']): number {
    return this.#events.filter((event) => event.type === type).length;
  }

  /** The log's bytes; null where the platform has no register. */
  encode(): Uint8Array | null {
    if (this.#unknown !== undefined) throw this.#unknown;
    return this.#extend === undefined ? null : encodeRuntimeLog(this.#events);
  }
}
