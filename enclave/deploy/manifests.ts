import type { KubernetesDeployment } from './specification.js';

/** A Kubernetes object, ready to be written as YAML. */
export type Manifest = { readonly [name: string]: unknown };

const SERVICE_PORT = 'grpc';
const METRICS_PORT = 'metrics';

/** Kata's runtime classes for Confidential Containers. */
const RUNTIME_CLASSES = { 'sev-snp': 'kata-qemu-snp', tdx: 'kata-qemu-tdx' } as const;

/** What a deployment states of its guests, each of which is a pod here. */
interface Guests {
  readonly name: string;
  readonly tee: keyof typeof RUNTIME_CLASSES;
  readonly machine: { readonly processors: number; readonly memoryMiB: number };
  readonly service: { readonly port: number };
}

const labels = (name: string): Manifest => ({ 'app.kubernetes.io/name': name });

/**
 * The pod: no service account, nothing written, no secret. What clients trust is not here but in the
 * evidence; these settings protect the cluster from the pod and from its neighbours. Kata derives
 * HOST_DATA and MRCONFIGID from its own init-data, so that no launch policy is pinned this way:
 * docs/kubernetes.md says what the evidence then proves.
 */
function podSpec(kubernetes: KubernetesDeployment, { tee, machine, service }: Guests): Manifest {
  const port = (name: string, number: number): Manifest => ({ name, containerPort: number });
  const resources = { cpu: String(machine.processors), memory: `${machine.memoryMiB}Mi` };
  return {
    runtimeClassName: RUNTIME_CLASSES[tee],
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 60,
    containers: [
      {
        name: 'assay',
        image: kubernetes.image,
        args: ['serve', '/app/config.yaml'],
        ports: [
          { ...port(SERVICE_PORT, service.port), protocol: 'TCP' },
          { ...port(METRICS_PORT, kubernetes.metricsPort), protocol: 'TCP' },
        ],
        startupProbe: { tcpSocket: { port: SERVICE_PORT }, periodSeconds: 5, failureThreshold: 60 },
        readinessProbe: { tcpSocket: { port: SERVICE_PORT }, periodSeconds: 10 },
        livenessProbe: {
          tcpSocket: { port: SERVICE_PORT },
          periodSeconds: 20,
          failureThreshold: 6,
        },
        resources: { requests: resources, limits: resources },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
        },
      },
    ],
  };
}

/** Callers reach these pods' service from anywhere, their metrics from some namespaces; the pods reach nobody. */
function networkPolicy(
  kubernetes: KubernetesDeployment,
  { name, service }: Guests,
  pods: Manifest,
): Manifest {
  const { namespace, metricsPort, metricsFrom } = kubernetes;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace, labels: labels(name) },
    spec: {
      podSelector: { matchLabels: pods },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { ports: [{ port: service.port, protocol: 'TCP' }] },
        {
          from: [{ namespaceSelector: { matchLabels: metricsFrom } }],
          ports: [{ port: metricsPort, protocol: 'TCP' }],
        },
      ],
      egress: [],
    },
  };
}

/** A Deployment with its Service, network policy and disruption budget. */
export function kubernetesManifests(
  kubernetes: KubernetesDeployment,
  guests: Guests,
): readonly Manifest[] {
  const { name, service } = guests;
  const { namespace, replicas } = kubernetes;
  const metadata = { name, namespace, labels: labels(name) };
  const selector = { matchLabels: labels(name) };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        template: {
          metadata: { labels: labels(name) },
          spec: podSpec(kubernetes, guests),
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        // Every guest has keys of its own: a client attests one and stays with it.
        sessionAffinity: 'ClientIP',
        selector: labels(name),
        ports: [
          { name: SERVICE_PORT, port: service.port, targetPort: SERVICE_PORT, protocol: 'TCP' },
        ],
      },
    },
    networkPolicy(kubernetes, guests, labels(name)),
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      // Where there is one pod alone, minAvailable would keep its node from being drained.
      spec: { maxUnavailable: 1, selector },
    },
  ];
}

/** A KServe runtime, a service that uses it (Open Inference Protocol v2 over gRPC), and its network policy. */
export function kserveManifests(
  kubernetes: KubernetesDeployment,
  guests: Guests,
): readonly Manifest[] {
  const { name } = guests;
  const { namespace, replicas } = kubernetes;
  const { containers, ...pod } = podSpec(kubernetes, guests) as {
    readonly containers: readonly Manifest[];
  };
  const [container] = containers;
  return [
    {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ServingRuntime',
      metadata: { name: `${name}-runtime`, namespace, labels: labels(name) },
      spec: {
        multiModel: false,
        protocolVersions: ['grpc-v2'],
        supportedModelFormats: [{ name: 'onnx', version: '1', autoSelect: false }],
        containers: [{ ...container, name: 'kserve-container' }],
      },
    },
    {
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: {
        name,
        namespace,
        labels: labels(name),
        annotations: { 'serving.kserve.io/deploymentMode': 'RawDeployment' },
      },
      spec: {
        predictor: {
          ...pod,
          minReplicas: replicas,
          maxReplicas: replicas,
          // The models are in the image: a storage initializer would bring in what nobody measured.
          model: {
            modelFormat: { name: 'onnx' },
            runtime: `${name}-runtime`,
            protocolVersion: 'grpc-v2',
          },
        },
      },
    },
    // KServe gives this label to the pods that it makes of the service.
    networkPolicy(kubernetes, guests, { 'serving.kserve.io/inferenceservice': name }),
  ];
}
