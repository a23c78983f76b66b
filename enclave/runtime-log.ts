import { concat } from '../attestation/encoding/bytes.js';
import {
  encodeRuntimeLog,
  type RuntimeEvent,
  runtimeEventDigest,
} from '../attestation/evidence/event-log.js';
import type { AdmittedModel } from './manifest.js';
import type { Platform } from './platform/platform.js';

/**
 * What the enclave did, as RTMR3 tells it (TDX): one writer for the register and the log, so that the
 * one always leads to the other. Where there is no register, there is no log.
 */
export class RuntimeLog {
  readonly #extend: Platform['extendRtmr3'];
  readonly #events: RuntimeEvent[] = [];

  constructor({ extendRtmr3 }: Platform) {
    this.#extend = extendRtmr3;
  }

  async #record(event: RuntimeEvent): Promise<void> {
    if (this.#extend === undefined) return;
    await this.#extend(runtimeEventDigest(event));
    this.#events.push(event);
  }

  /** The launch policy that is enforced from here on. */
  enforced(digest: Uint8Array): Promise<void> {
    return this.#record({ type: 'launch-policy', content: digest });
  }

  /** A model that is about to be loaded. */
  loading({ graph, execution }: AdmittedModel): Promise<void> {
    return this.#record({ type: 'model', content: concat(graph, execution) });
  }

  /** A model whose sessions are gone. */
  unloaded({ graph, execution }: AdmittedModel): Promise<void> {
    return this.#record({ type: 'unload', content: concat(graph, execution) });
  }

  /** The log's bytes; null where the platform has no register. */
  encode(): Uint8Array | null {
    return this.#extend === undefined ? null : encodeRuntimeLog(this.#events);
  }
}
