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
import { expandVersions } from './version-policy.js';

/** What a manager changes together, so that no answer is given that the manifest does not cover. */
export interface Managed extends Loader {
  readonly enclave: Pick<Enclave, 'restate' | 'manifestDigest' | 'keys'>;
  readonly registry: ModelRegistry;
  readonly loads: StatedLoads;
}

/** A model as callers name it. */
type Named = Pick<ConfiguredModel, 'name' | 'version'>;

const keyOf = ({ name, version }: Named): string => `${name}\0${version}`;

/**
 * Loads and unloads the configured models while the service runs, one change at a time. Each load is
 * measured and admitted anew, and each change is a new manifest; requests finish on the model that
 * they were admitted to, and their receipts name the manifest that had it.
 */
export class ModelManager {
  readonly #managed: Managed;
  readonly #turns = new Turns();
  readonly #serving = new Map<string, ServingModel>();
  /** What the configuration, and the folders that it leads to, named when each was read last; by name. */
  readonly #named = new Map<string, readonly Named[]>();

  /** @param first models that the enclave's first manifest has. */
  constructor(managed: Managed, first: readonly ServingModel[]) {
    this.#managed = managed;
    for (const model of first) {
      const { name, version } = model.entry;
      this.#named.set(name, [...(this.#named.get(name) ?? []), { name, version }]);
      this.#serving.set(keyOf(model.entry), model);
      this.#state(model, managed.enclave.manifestDigest);
      managed.registry.add(model.loaded);
    }
  }

  /** The models that the configuration names, and whether each is served now. */
  list(): readonly (Named & { readonly served: boolean })[] {
    const served = [...this.#serving.values()].map(({ entry }) => entry);
    const all = new Map(
      [...[...this.#named.values()].flat(), ...served].map((model) => [keyOf(model), model]),
    );
    return [...all].map(([key, { name, version }]) => ({
      name,
      version,
      served: this.#serving.has(key),
    }));
  }

  /**
   * Loads every configured version of a model anew, from its files as they are now, then stops serving
   * versions that its version policy chooses no more. Rejects with CONFIG_MODEL for a name that the
   * configuration does not have, or versions that are not there, else as `loadModel`; what was served
   * before, and was not yet replaced, is then served still.
   */
  load(name: string): Promise<void> {
    return this.#turns.take(async () => {
      const configured = await expandVersions(
        this.#managed.config.models.filter((model) => model.name === name),
      );
      if (configured.length === 0) {
        throw new AssayError('CONFIG_MODEL', `the configuration has no model ${name}`);
      }
      this.#named.set(name, configured);
      for (const model of configured) await this.#replace(model);
      const chosen = new Set(configured.map(keyOf));
      await this.#withdraw(this.#served(name).filter(({ entry }) => !chosen.has(keyOf(entry))));
    });
  }

  /** Stops serving a model, all versions. Rejects with CONFIG_MODEL if it is not served. */
  unload(name: string): Promise<void> {
    return this.#turns.take(async () => {
      const served = this.#served(name);
      if (served.length === 0) {
        throw new AssayError('CONFIG_MODEL', `model ${name} is not served`);
      }
      await this.#withdraw(served);
    });
  }

  #served(name: string): readonly ServingModel[] {
    return [...this.#serving.values()].filter(({ entry }) => entry.name === name);
  }

  async #withdraw(models: readonly ServingModel[]): Promise<void> {
    if (models.length === 0) return;
    for (const { entry, loaded } of models) {
      this.#managed.registry.remove(loaded);
      this.#serving.delete(keyOf(entry));
    }
    await this.#restate();
    for (const model of models) await this.#retire(model);
  }

  async #replace(configured: ConfiguredModel): Promise<void> {
    const key = keyOf(configured);
    const old = this.#serving.get(key);
    const model = await loadModel(this.#managed, configured);
    this.#serving.set(key, model);
    try {
      await this.#restate();
    } catch (error) {
      if (old === undefined) this.#serving.delete(key);
      else this.#serving.set(key, old);
      await this.#retire(model);
      throw error;
    }
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
