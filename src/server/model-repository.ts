/** A model that the configuration names, served at the moment or not. */
interface IndexedModel {
  readonly name: string;
  readonly version: string;
  readonly ready: boolean;
  /** Why it is not served, which may be the failure of the last load; empty where it is. */
  readonly reason: string;
}

/** Loading and unloading at run time, behind Triton's repository extension. */
export interface ModelRepository {
  index(): readonly IndexedModel[];
  /**
   * Reads and measures every version of a model again that its version policy chooses now, and serves
   * it if the launch policy admits it; what was served before finishes what it has accepted. One change
   * goes on at a time: nothing happens where `wanted` is false when its turn comes. Rejects with RpcError,
   * RESOURCE_EXHAUSTED where too many changes wait.
   */
  load(name: string, wanted: () => boolean): Promise<void>;
  /**
   * Stops serving every version of a model once what was accepted is answered, if any is served; else as
   * `load`.
   */
  unload(name: string, wanted: () => boolean): Promise<void>;
}
