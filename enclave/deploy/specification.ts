import * as z from 'zod';

const label = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a DNS label');

/** What a cluster needs to know beside the deployment file; its member `kubernetes`. */
export const kubernetesSchema = z.strictObject({
  namespace: label.default('default'),
  /** Container image, by digest: a tag is a promise that its registry can break. */
  image: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$/, 'expected an image with @sha256:'),
  replicas: z.number().int().min(1).max(1000).default(2),
  metricsPort: z.number().int().min(1).max(65535).default(9464),
  /** Labels of the namespace that may read metrics. */
  metricsFrom: z
    .record(z.string(), z.string())
    .default({ 'kubernetes.io/metadata.name': 'monitoring' }),
});

export type KubernetesDeployment = z.output<typeof kubernetesSchema>;
