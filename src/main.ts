import { toHex } from '../attestation/encoding/bytes.js';
import { bootEnclave, type Enclave } from '../enclave/boot.js';
import type { MeasuredModel } from '../enclave/measure.js';
import type { Platform } from '../enclave/platform/platform.js';
import { loadLaunchPolicy } from './config.js';
import type { Config } from './config-schema.js';
import type { BatchingOptions, Engine } from './engine/engine.js';
import { createEngine } from './engine/onnx-engine.js';
import { assertUndisturbed, type Surroundings } from './environment.js';
import { executionProfile } from './execution-profile.js';
import { describeError, type Log } from './log.js';
import { measureConfigured } from './model-files.js';
import { openPlatform } from './platform.js';
import {
  attestationDefinition,
  attestationHandlers,
  loadAttestation,
} from './server/attestation-service.js';
import { inferenceHandlers } from './server/inference-service.js';
import { type RunningMetrics, startMetrics } from './server/metrics.js';
import { ModelRegistry } from './server/model-registry.js';
import { ownMetrics } from './server/own-metrics.js';
import { inferenceDefinition, loadInference } from './server/protocol.js';
import { ReceiptRecorder } from './server/receipt-recorder.js';
import { type RunningServer, type Service, startServer } from './server/server.js';
import { VERSION } from './version.js';

export interface ServeOptions {
  readonly log: Log;
  readonly surroundings: Surroundings;
  readonly now: () => Date;
  /** Called when the engine cannot go on: end the process, a supervisor starts a new epoch. */
  readonly onFatal: (error: Error) => void;
}

/** A service that answers. */
export interface Serving {
  readonly port: number;
  readonly plaintextPort: number | undefined;
  readonly metricsPort: number | undefined;
  readonly enclave: Enclave;
  /** Certificate of the simulator's root, PEM; undefined on hardware. */
  readonly simulatedRoot: string | undefined;
  /** Accepts no more, lets requests under way finish, frees the models, closes the platform. */
  close(): Promise<void>;
}

type Configured = Config['models'][number];

interface Measured {
  readonly configured: Configured;
  readonly model: MeasuredModel;
}

async function measureAll(
  config: Config,
  { log, surroundings }: ServeOptions,
): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const configured of config.models) {
    const model = await measureConfigured(configured.path, config.hub, surroundings);
    const { name, version } = configured;
    log.info({ model: name, version, graph: toHex(model.identity.graph) }, 'measured a model');
    measured.push({ configured, model });
  }
  return measured;
}

async function boot(
  config: Config,
  measured: readonly Measured[],
  platform: Platform,
  now: Date,
): Promise<Enclave> {
  const models = await Promise.all(
    measured.map(async ({ configured, model: { identity } }) => ({
      name: configured.name,
      version: configured.version,
      identity,
      profile: await executionProfile(configured),
    })),
  );
  return bootEnclave({
    platform,
    launchPolicy:
      config.launchPolicy === undefined ? null : await loadLaunchPolicy(config.launchPolicy),
    configuration: {
      development: config.development,
      plaintext: config.plaintext !== undefined,
    },
    models,
    software: { name: 'assay', version: VERSION },
    hosts: config.hosts,
    now,
  });
}

/** `{a: undefined}` is not `{}` to exact optional properties. */
function batchingOptions({ batching }: Configured): BatchingOptions {
  const { defaultPriorityLevel, ...rest } = batching;
  return defaultPriorityLevel === undefined ? rest : { ...rest, defaultPriorityLevel };
}

async function loadAll(
  engine: Engine,
  measured: readonly Measured[],
  log: Log,
): Promise<ModelRegistry> {
  const registry = new ModelRegistry();
  for (const { configured, model } of measured) {
    const externalData = [...model.external].map(([path, data]) => ({ path, data }));
    const { name, version, intraOpThreads, graphOptimizationLevel } = configured;
    const source = { name, version, model: model.bytes, externalData };
    const loaded = await engine.load(source, {
      intraOpThreads,
      graphOptimizationLevel,
      batching: batchingOptions(configured),
      operators: model.identity.operators.map((operator) => operator.name),
    });
    log.info({ model: name, version, batching: loaded.batching }, 'loaded a model');
    registry.add(loaded);
  }
  return registry;
}

function services(
  enclave: Enclave,
  models: ModelRegistry,
  ready: () => boolean,
  { log, now }: ServeOptions,
): readonly Service[] {
  const [inference, attestation] = [loadInference(), loadAttestation()];
  return [
    {
      name: 'inference.GRPCInferenceService',
      definition: inferenceDefinition(inference),
      handlers: inferenceHandlers({
        models,
        recorder: new ReceiptRecorder(enclave, now),
        server: { name: 'assay', version: VERSION },
        ready,
        onFailure: (error) => log.error(describeError(error), 'a request failed'),
      }),
      package: inference,
    },
    {
      name: 'assay.v1.Attestation',
      definition: attestationDefinition(attestation),
      handlers: attestationHandlers(enclave),
      package: attestation,
    },
  ];
}

const hostPort = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/**
 * Boots the enclave and serves: checks the surroundings, measures the models, has them admitted by the
 * launch policy that the hardware reports, loads exactly those bytes, listens. Rejects with CONFIG_*,
 * MODEL_*, LAUNCH_POLICY_* or PLATFORM_*, or with EngineError; then nothing listens.
 */
export async function serve(config: Config, options: ServeOptions): Promise<Serving> {
  const { log, surroundings, now, onFatal } = options;
  if (!config.development) assertUndisturbed(surroundings);
  const measured = await measureAll(config, options);
  const { platform, simulatedRoot, close } = await openPlatform(config);
  let started: Engine | undefined;
  let metrics: RunningMetrics | undefined;
  try {
    const enclave = await boot(config, measured, platform, now());
    const engine = await createEngine({
      annotator: new URL('./server/annotate.js', import.meta.url),
      onFatal,
      ...(config.workers === undefined ? {} : { workers: config.workers }),
    });
    started = engine;
    const models = await loadAll(engine, measured, log);
    if (config.metrics !== undefined) {
      metrics = await startMetrics({ ...config.metrics, models, own: ownMetrics(enclave) });
    }
    const running = metrics;
    let ready = false;
    const server = await startServer({
      services: services(enclave, models, () => ready, options),
      address: hostPort(config.listen),
      tls: enclave.keys.tls,
      ...(config.plaintext === undefined ? {} : { plaintextAddress: hostPort(config.plaintext) }),
      maxReceiveBytes: config.maxMessageBytes,
    });
    ready = true;
    server.setServing(true);
    announce(log, platform, enclave, server, running?.port);
    return {
      port: server.port,
      plaintextPort: server.plaintextPort,
      metricsPort: running?.port,
      enclave,
      simulatedRoot,
      close: async () => {
        ready = false;
        await server.drain(config.drainSeconds * 1000);
        await engine.close();
        await running?.close();
        await close();
      },
    };
  } catch (error) {
    await started?.close();
    await metrics?.close();
    await close();
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
