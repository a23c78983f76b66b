import { status } from '@grpc/grpc-js';
import type { LoadedModel } from '../engine/engine.js';
import { RpcError } from './rpc-error.js';

/** Versions compare as numbers where they are numbers, as Triton's are; others sort before. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => (/^\d+$/.test(version) ? Number(version) : -1));
  return (left ?? 0) - (right ?? 0) || (a < b ? -1 : a > b ? 1 : 0);
}

/** The models that are served now, by name and version. */
export class ModelRegistry {
  readonly #models = new Map<string, LoadedModel[]>();

  /** Serves a model in place of a load of the same name and version. */
  add(model: LoadedModel): void {
    const versions = this.#models.get(model.name) ?? [];
    const kept = versions.filter(({ version }) => version !== model.version);
    kept.push(model);
    kept.sort((a, b) => compareVersions(a.version, b.version));
    this.#models.set(model.name, kept);
  }

  /** Stops serving a load; it still finishes what it has accepted. */
  remove(model: LoadedModel): void {
    const kept = (this.#models.get(model.name) ?? []).filter((other) => other !== model);
    if (kept.length === 0) this.#models.delete(model.name);
    else this.#models.set(model.name, kept);
  }

  /** Every load, the lowest version of each name first. */
  list(): readonly LoadedModel[] {
    return [...this.#models.values()].flat();
  }

  find(name: string, version: string): LoadedModel | undefined {
    const versions = this.#models.get(name);
    return version === '' ? versions?.at(-1) : versions?.find((model) => model.version === version);
  }

  /** The version, or the highest where it is empty. Throws RpcError NOT_FOUND. */
  get(name: string, version: string): LoadedModel {
    const model = this.find(name, version);
    if (model !== undefined) return model;
    const versions = this.versions(name);
    const message =
      versions.length > 0
        ? `model ${name} has no version ${version}; served are: ${versions.join(', ')}`
        : `no model ${name || '(empty name)'}; served are: ${[...this.#models.keys()].join(', ') || 'none'}`;
    throw new RpcError(status.NOT_FOUND, message);
  }

  versions(name: string): readonly string[] {
    return (this.#models.get(name) ?? []).map(({ version }) => version);
  }
}
