import * as z from 'zod';

const label = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a DNS label');
/** Keys and values of Kubernetes' labels ("Labels and Selectors", syntax and character set). */
const labelName = '[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?';
const labelKey = z
  .string()
  .max(253 + 1 + 63)
  .regex(new RegExp(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?${labelName}$`), 'expected a label key');
const labelValue = z.string().regex(new RegExp(`^(${labelName})?$`), 'expected a label value');

/** What a cluster needs to know beside the deployment file; its member `kubernetes`. */
export const kubernetesSchema = z.strictObject({
  namespace: label.default('default'),
  /** Container image, by digest: a tag is a promise that its registry can break. */
  image: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$/, 'expected an image with @sha256:'),
  replicas: z.number().int().min(1).max(1000).default(2),
  metricsPort: z.number().int().min(1).max(65535).default(9464),
  /** Labels of the namespaces that may read metrics; none would select every namespace. */
  metricsFrom: z
    .record(labelKey, labelValue)
    .refine((labels) => Object.keys(labels).length > 0, 'expected one label at least')
    .default({ 'kubernetes.io/metadata.name': 'monitoring' }),
});

export type KubernetesDeployment = z.output<typeof kubernetesSchema>;
