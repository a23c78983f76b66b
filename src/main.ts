import { toHex } from '../attestation/encoding/bytes.js';
import type { BootingEnclave } from '../enclave/boot.js';
import type { Enclave } from '../enclave/enclave.js';
import type { Issuer } from '../enclave/issuer.js';
import type { SharedLog } from '../enclave/log-writer.js';
import type { Platform } from '../enclave/platform/platform.js';
import { SharedRange } from '../enclave/shared-range.js';
import { makeSigningKey } from '../enclave/signing-key.js';
import type { Engine } from './engine/engine.js';
import { createEngine, type EngineSettings } from './engine/onnx-engine.js';
import { attestedHead } from './server/answer-head.js';
import {
  attestationDefinition,
  attestationHandlers,
  loadAttestation,
} from './server/attestation-service.js';
import { inferenceService } from './server/inference-service.js';
import { type RunningMetrics, startMetrics } from './server/metrics.js';
import { ModelRegistry } from './server/model-registry.js';
import type { ModelRepository } from './server/model-repository.js';
import { ownMetrics } from './server/own-metrics.js';
import {
  type ConnectionLimits,
  type RunningServer,
  type Service,
  startServer,
} from './server/server.js';
import { StatedLoads } from './server/stated-loads.js';
import { boot, type OwnLog } from './service/boot.js';
import type { Config } from './service/config-schema.js';
import { describeError, type Log } from './service/log.js';
import { type Loader, loadModel, ofModel, type ServingModel } from './service/model-loading.js';
import { ModelManager } from './service/model-manager.js';
import { openPlatform } from './service/platform.js';
import { repositoryOf } from './service/repository-control.js';
import { assertUndisturbed, type Surroundings } from './service/surroundings.js';
import { expandVersions, statedPolicy } from './service/version-policy.js';
import { VERSION } from './system/version.js';

export interface ServeOptions {
  readonly log: Log;
  readonly surroundings: Surroundings;
  readonly now: () => Date;
  /** Called when the engine cannot go on: end the process, a supervisor starts a new epoch. */
  readonly onFatal: (error: Error) => void;
  /**
   * Called when an execution hangs: drain and end the process by a signal that no thread can delay.
   * Absent: its callers alone are told, and its worker is lost.
   */
  readonly onHang?: (error: Error) => void;
  /** What executes; `createEngine` unless given. The soak test gives one whose workers it can kill. */
  readonly makeEngine?: typeof createEngine;
}

/** A service that answers. */
export interface Serving {
  readonly port: number;
  readonly plaintextPort: number | undefined;
  readonly metricsPort: number | undefined;
  readonly enclave: Enclave;
  /** Loads and unloads models while the service runs. */
  readonly models: ModelManager;
  /** Certificate of the simulator's root, PEM; undefined on hardware. */
  readonly simulatedRoot: string | undefined;
  /**
   * Accepts no more, lets requests under way finish, for `drainSeconds` at most, publishes the log's last
   * head, frees the models, closes the platform.
   */
  close(): Promise<void>;
}

/**
 * Closes in order what a start that failed has opened. What cannot be closed is logged: the failure of the
 * start is what its caller is told.
 */
async function closeOpened(
  log: Log,
  ...opened: readonly (Pick<Serving, 'close'> | undefined)[]
): Promise<void> {
  for (const one of opened) {
    try {
      await one?.close();
    } catch (error) {
      log.error(describeError(error), 'what a failed start had opened could not be closed');
    }
  }
}

/**
 * Awaits a booting enclave and an engine whose threads start meanwhile: neither needs the other. Where
 * one fails the other is not left behind.
 */
async function beside(
  booting: Promise<BootingEnclave>,
  starting: Promise<Engine>,
  log: Log,
): Promise<readonly [BootingEnclave, Engine]> {
  const [booted, engine] = await Promise.allSettled([booting, starting]);
  if (booted.status === 'rejected') {
    if (engine.status === 'fulfilled') await closeOpened(log, engine.value);
    throw booted.reason;
  }
  if (engine.status === 'rejected') throw engine.reason;
  return [booted.value, engine.value];
}

async function loadAll(loader: Loader): Promise<readonly ServingModel[]> {
  const models: ServingModel[] = [];
  for (const configured of await expandVersions(loader.config.models)) {
    try {
      models.push(await loadModel(loader, configured));
    } catch (error) {
      throw ofModel(configured, error, ` (${configured.path})`);
    }
  }
  return models;
}

function services(
  enclave: Enclave,
  models: ModelRegistry,
  configured: Config['models'],
  repository: ModelRepository | undefined,
  ready: () => boolean,
  log: Log,
): readonly Service[] {
  const attestation = loadAttestation();
  const onFailure = (error: unknown): void => log.error(describeError(error), 'a request failed');
  return [
    inferenceService({
      models,
      head: attestedHead,
      repository,
      versionPolicy: (model) => statedPolicy(configured, model),
      server: { name: 'assay', version: VERSION },
      ready,
      onFailure,
    }),
    {
      name: 'assay.v1.Attestation',
      definition: attestationDefinition(attestation),
      handlers: attestationHandlers(enclave, onFailure),
      package: attestation,
    },
  ];
}

function connectionLimits({ connections }: Config): ConnectionLimits {
  const { max, streams, idleSeconds } = connections;
  return { max, maxStreams: streams, idle: idleSeconds * 1000 };
}

/** @param issuer undefined until the enclave has begun. */
function engineSettings(
  { workers, memoryBudgetBytes, requestMemoryBytes }: Config,
  { onFatal, onHang }: ServeOptions,
  loads: StatedLoads,
  { signing, memory }: OwnLog,
  issuer: () => Issuer | undefined,
): EngineSettings {
  return {
    annotator: {
      module: new URL('./server/annotate.js', import.meta.url),
      data: { memory, privateKey: signing.privateKey, keyId: signing.id } satisfies SharedLog,
      context: (loadId) => loads.context(loadId),
      noticed: (notice) => issuer()?.noticed(notice),
      ended: (thread) => issuer()?.release(thread),
    },
    onFatal,
    onHang,
    workers,
    memoryBudget: memoryBudgetBytes,
    requestMemory: requestMemoryBytes,
  };
}

/** An execution that outlives its callers may outlive the process, and would take the log's head with it. */
async function closeEngine(engine: Engine, issuer: Issuer, log: Log): Promise<void> {
  await issuer.flush();
  await engine.close();
  await issuer.flush();
  const { counts, published } = issuer;
  if (published === undefined || published.size >= counts.entries) return;
  log.error(
    { entries: counts.entries, published: published.size },
    'no published head covers the newest entries of the receipt log, and none will: the process ends',
  );
}

/**
 * Boots the enclave and serves: checks the surroundings, measures the models, has them admitted by the
 * launch policy that the hardware reports, loads what was measured, listens. Rejects with CONFIG_*,
 * MODEL_*, HUB_*, LAUNCH_POLICY_*, MANIFEST_*, EVENT_LOG_FULL or PLATFORM_*, or with EngineError; then nothing
 * listens.
 */
export async function serve(config: Config, options: ServeOptions): Promise<Serving> {
  const { log, surroundings, now, makeEngine = createEngine } = options;
  if (!config.development) assertUndisturbed(surroundings);
  const { platform, simulatedRoot, close } = await openPlatform(config);
  let started: Engine | undefined;
  let metrics: RunningMetrics | undefined;
  try {
    const loads = new StatedLoads(now);
    const own: OwnLog = { signing: makeSigningKey(), memory: SharedRange.allocate() };
    let issuer: Issuer | undefined;
    const starting = makeEngine(engineSettings(config, options, loads, own, () => issuer));
    // Gathered beside the boot.
    void import('./engine/begin-facts.js');
    const [booting, engine] = await beside(boot(config, platform, own, now, log), starting, log);
    started = engine;
    const { admission } = booting;
    const loader: Loader = { config, engine, admission, surroundings, log };
    const first = await loadAll(loader);
    const enclave = await booting.begin(first.map(({ entry }) => entry));
    issuer = enclave.issuer;
    const registry = new ModelRegistry();
    const models = new ModelManager({ ...loader, enclave, registry, loads }, first);
    if (config.metrics !== undefined) {
      metrics = await startMetrics({
        ...config.metrics,
        models: registry,
        own: ownMetrics(enclave, engine),
      });
    }
    const running = metrics;
    const repository = config.modelControl === 'explicit' ? repositoryOf(models) : undefined;
    let ready = false;
    const server = await startServer({
      services: services(enclave, registry, config.models, repository, () => ready, log),
      address: config.listen,
      tls: enclave.keys.tls,
      plaintextAddress: config.plaintext,
      maxReceiveBytes: config.maxMessageBytes,
      connections: connectionLimits(config),
    });
    ready = true;
    server.setServing(true);
    announce(log, platform, enclave, server, running?.port);
    return {
      port: server.port,
      plaintextPort: server.plaintextPort,
      metricsPort: running?.port,
      enclave,
      models,
      simulatedRoot,
      close: async () => {
        ready = false;
        await server.drain(config.drainSeconds * 1000);
        await closeEngine(engine, enclave.issuer, log);
        await running?.close();
        await close();
      },
    };
  } catch (error) {
    await closeOpened(log, started, metrics, { close });
    throw error;
  }
}

function announce(
  log: Log,
  platform: Platform,
  enclave: Enclave,
  server: RunningServer,
  metricsPort: number | undefined,
): void {
  const { manifest, manifestDigest } = enclave;
  log.info(
    {
      port: server.port,
      plaintextPort: server.plaintextPort,
      metricsPort,
      tee: platform.tee,
      simulated: platform.simulated,
      pinned: manifest.launchPolicy !== null,
      epoch: toHex(manifest.epoch),
      manifest: toHex(manifestDigest),
      models: manifest.models.map(({ name, version }) => `${name} ${version}`),
    },
    platform.simulated ? 'serving, SIMULATED: no hardware vouches for this' : 'serving',
  );
}
