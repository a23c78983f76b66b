import { AssayError } from '../../attestation/encoding/error.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { ModelRegistry } from '../server/model-registry.js';
import type { StatedLoads } from '../server/stated-loads.js';
import { Turns } from '../system/turns.js';
import type { ConfiguredModel } from './config-schema.js';
import { describeError } from './log.js';
import { type Loader, loadModel, NOT_TOLD, ofModel, type ServingModel } from './model-loading.js';
import { expandVersions } from './version-policy.js';

/** What a manager changes together, so that no answer is given that the manifest does not cover. */
export interface Managed extends Loader {
  readonly enclave: Pick<Enclave, 'restate' | 'manifestDigest' | 'keys'>;
  readonly registry: ModelRegistry;
  readonly loads: StatedLoads;
}

/** A model as callers name it. */
type Named = Pick<ConfiguredModel, 'name' | 'version'>;

const always = (): boolean => true;

const keyOf = ({ name, version }: Named): string => `${name}\0${version}`;

/**
 * Loads and unloads the configured models while the service runs, one change at a time. Each load is
 * measured and admitted anew, and each change is a new manifest; requests finish on the model that
 * they were admitted to, and their receipts name the manifest that had it.
 */
export class ModelManager {
  readonly #managed: Managed;
  readonly #turns = new Turns();
  #serving: ReadonlyMap<string, ServingModel>;
  /** What the configuration, and the folders that it leads to, named when each was read last; by name. */
  readonly #named = new Map<string, readonly Named[]>();

  /** Why the last load of a model failed, by name; of those alone whose last change it is. */
  readonly #failures = new Map<string, unknown>();

  /** @param first models that the enclave's first manifest has. */
  constructor(managed: Managed, first: readonly ServingModel[]) {
    this.#managed = managed;
    this.#serving = new Map(first.map((model) => [keyOf(model.entry), model]));
    for (const model of first) {
      const { name, version } = model.entry;
      this.#named.set(name, [...(this.#named.get(name) ?? []), { name, version }]);
      this.#state(model, managed.enclave.manifestDigest);
      managed.registry.add(model.loaded);
    }
  }

  /**
   * The models that the configuration names, and whether each is served now. `failure` is that of the last
   * load of the name, of whichever version; undefined where it succeeded, or the model was unloaded since.
   */
  list(): readonly (Named & { readonly served: boolean; readonly failure: unknown })[] {
    const served = [...this.#serving.values()].map(({ entry }) => entry);
    const all = new Map(
      [...[...this.#named.values()].flat(), ...served].map((model) => [keyOf(model), model]),
    );
    return [...all].map(([key, { name, version }]) => ({
      name,
      version,
      served: this.#serving.has(key),
      failure: this.#failures.get(name),
    }));
  }

  /**
   * Loads every configured version of a model anew, from its files as they are now, then stops serving
   * versions that its version policy chooses no more. Rejects with CONFIG_MODEL for a name that the
   * configuration does not have, or versions that are not there, else as `loadModel`, and names the version;
   * what was served before, and was not yet replaced, is then served still.
   * @param wanted asked when its turn comes: where it is false, nothing is loaded.
   */
  load(name: string, wanted = always): Promise<void> {
    return this.#change(wanted, async () => {
      const entries = this.#managed.config.models.filter((model) => model.name === name);
      if (entries.length === 0) {
        throw new AssayError('CONFIG_MODEL', `the configuration has no model ${name}`);
      }
      try {
        await this.#load(name, entries);
        this.#failures.delete(name);
      } catch (error) {
        this.#failures.set(name, error);
        this.#managed.log.warn(
          { model: name, ...describeError(error) },
          'a model could not be loaded at run time',
        );
        throw error;
      }
    });
  }

  /**
   * Stops serving a model, all versions. Nothing happens where none is served, whatever the name, as in Triton;
   * where the manifest without it cannot be stated, it is served still.
   * @param wanted asked when its turn comes: where it is false, nothing is unloaded.
   */
  unload(name: string, wanted = always): Promise<void> {
    return this.#change(wanted, async () => {
      await this.#withdraw(this.#served(name));
      this.#failures.delete(name);
    });
  }

  async #load(name: string, entries: readonly ConfiguredModel[]): Promise<void> {
    const configured = await expandVersions(entries);
    this.#named.set(name, configured);
    for (const model of configured) {
      try {
        await this.#replace(model);
      } catch (error) {
        throw ofModel(model, error);
      }
    }
    const chosen = new Set(configured.map(keyOf));
    await this.#withdraw(this.#served(name).filter(({ entry }) => !chosen.has(keyOf(entry))));
  }

  #change(wanted: () => boolean, work: () => Promise<void>): Promise<void> {
    return this.#turns.take(async () => {
      if (wanted()) await work();
    });
  }

  #served(name: string): readonly ServingModel[] {
    return [...this.#serving.values()].filter(({ entry }) => entry.name === name);
  }

  async #withdraw(models: readonly ServingModel[]): Promise<void> {
    if (models.length === 0) return;
    const next = new Map(this.#serving);
    for (const { entry } of models) next.delete(keyOf(entry));
    await this.#restate(next);
    for (const { loaded } of models) this.#managed.registry.remove(loaded);
    await this.#retire(models);
  }

  async #replace(configured: ConfiguredModel): Promise<void> {
    const key = keyOf(configured);
    const old = this.#serving.get(key);
    const model = await loadModel(this.#managed, configured);
    try {
      await this.#restate(new Map(this.#serving).set(key, model));
    } catch (error) {
      await this.#retire([model]).catch((cause: unknown) => {
        const { name, version } = model.entry;
        this.#managed.log.warn({ model: name, version, ...describeError(cause) }, NOT_TOLD);
      });
      throw error;
    }
    this.#managed.registry.add(model.loaded);
    if (old !== undefined) await this.#retire([old]);
  }

  /** The new manifest first, then whatever it covers; rejects having changed nothing. */
  async #restate(next: ReadonlyMap<string, ServingModel>): Promise<void> {
    const serving = [...next.values()];
    const { digest } = await this.#managed.enclave.restate(serving.map(({ entry }) => entry));
    for (const model of serving) this.#state(model, digest);
    this.#serving = next;
  }

  #state({ loaded, entry }: ServingModel, manifest: Uint8Array): void {
    const { epoch, signing } = this.#managed.enclave.keys;
    this.#managed.loads.state(loaded, { model: entry, manifest, epoch, signingKey: signing.id });
  }

  /** Ends the sessions of every one of them, then rejects if the hardware could not be told of one. */
  async #retire(models: readonly ServingModel[]): Promise<void> {
    const retired = await Promise.allSettled(
      models.map(async ({ loaded, entry }) => {
        await loaded.drain();
        this.#managed.loads.forget(loaded);
        await this.#managed.admission.retire(entry);
      }),
    );
    const failed = retired.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
