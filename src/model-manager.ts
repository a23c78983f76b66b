import { AssayError } from '../attestation/encoding/error.js';
import type { Enclave } from '../enclave/enclave.js';
import { Turns } from '../enclave/turns.js';
import {
  type ConfiguredModel,
  type Loader,
  loadModel,
  type ServingModel,
} from './model-loading.js';
import type { ModelRegistry } from './server/model-registry.js';
import type { StatedLoads } from './server/stated-loads.js';

/** What a manager changes together, so that no answer is given that the manifest does not cover. */
export interface Managed extends Loader {
  readonly enclave: Pick<Enclave, 'restate' | 'manifestDigest' | 'keys'>;
  readonly registry: ModelRegistry;
  readonly loads: StatedLoads;
}

const keyOf = ({ name, version }: Pick<ConfiguredModel, 'name' | 'version'>): string =>
  `${name}\0${version}`;

/**
 * Loads and unloads the configured models while the service runs, one change at a time. Each load is
 * measured and admitted anew, and each change is a new manifest; requests finish on the model that
 * they were admitted to, and their receipts name the manifest that had it.
 */
export class ModelManager {
  readonly #managed: Managed;
  readonly #turns = new Turns();
  readonly #serving = new Map<string, ServingModel>();

  /** @param first models that the enclave's first manifest has. */
  constructor(managed: Managed, first: readonly ServingModel[]) {
    this.#managed = managed;
    for (const model of first) {
      this.#serving.set(keyOf(model.entry), model);
      this.#state(model, managed.enclave.manifestDigest);
      managed.registry.add(model.loaded);
    }
  }

  /** The models that the configuration names, and whether each is served now. */
  list(): readonly { readonly name: string; readonly version: string; readonly served: boolean }[] {
    return this.#managed.config.models.map((model) => ({
      name: model.name,
      version: model.version,
      served: this.#serving.has(keyOf(model)),
    }));
  }

  /**
   * Loads every configured version of a model anew, from its files as they are now. Rejects with
   * CONFIG_MODEL for a name that the configuration does not have, else as `loadModel`; what was served
   * before is then served still.
   */
  load(name: string): Promise<void> {
    return this.#turns.take(async () => {
      const configured = this.#managed.config.models.filter((model) => model.name === name);
      if (configured.length === 0) {
        throw new AssayError('CONFIG_MODEL', `the configuration has no model ${name}`);
      }
      for (const model of configured) await this.#replace(model);
    });
  }

  /** Stops serving a model, all versions. Rejects with CONFIG_MODEL if it is not served. */
  unload(name: string): Promise<void> {
    return this.#turns.take(async () => {
      const served = [...this.#serving.values()].filter(({ entry }) => entry.name === name);
      if (served.length === 0) {
        throw new AssayError('CONFIG_MODEL', `model ${name} is not served`);
      }
      for (const { entry, loaded } of served) {
        this.#managed.registry.remove(loaded);
        this.#serving.delete(keyOf(entry));
      }
      await this.#restate();
      for (const model of served) await this.#retire(model);
    });
  }

  async #replace(configured: ConfiguredModel): Promise<void> {
    const key = keyOf(configured);
    const old = this.#serving.get(key);
    const model = await loadModel(this.#managed, configured);
    this.#serving.set(key, model);
    await this.#restate();
    this.#managed.registry.add(model.loaded);
    if (old !== undefined) await this.#retire(old);
  }

  /** The new manifest first, then whatever it covers. */
  async #restate(): Promise<void> {
    const serving = [...this.#serving.values()];
    const { digest } = await this.#managed.enclave.restate(serving.map(({ entry }) => entry));
    for (const model of serving) this.#state(model, digest);
  }

  #state({ loaded, entry }: ServingModel, manifest: Uint8Array): void {
    const { epoch, signing } = this.#managed.enclave.keys;
    this.#managed.loads.state(loaded, { model: entry, manifest, epoch, signingKey: signing.id });
  }

  async #retire({ loaded, entry }: ServingModel): Promise<void> {
    await loaded.drain();
    this.#managed.loads.forget(loaded);
    await this.#managed.admission.retire(entry);
  }
}
