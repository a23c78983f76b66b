import { shapeText } from './difference-text.js';
import type { TensorDistance } from './distance.js';
import type { ExternalFiles } from './external.js';
import { type Constant, isSparse, nameOf } from './tensor.js';
import { weightDistance } from './weight-distance.js';

/** Local differences that are told; a graph that differs everywhere is told by its counts. */
const MAX_TOLD = 100;

/** What is compared at most: bytes of attributes, and parts of nodes and signatures, each as so many bytes. */
const MOST_WORK = 2 ** 32;
const PART = 1024;

/** A place where two computations part: an operator, an attribute, an edge, a type. */
export interface GraphDifference {
  /** What the two have, for people; null where one has nothing. */
  readonly a: string | null;
  readonly b: string | null;
  readonly kind: 'operator' | 'attribute' | 'edge' | 'value' | 'opset';
  /** Attribute, input or output that is meant. */
  readonly at: string;
}

/** A constant that differs, under the names it has in each model. */
export interface WeightDifference {
  readonly a: string;
  readonly b: string;
  readonly shapeOfA: string;
  readonly shapeOfB: string;
  /** Null where type or shape differ. */
  readonly distance: TensorDistance | null;
}

/** Where two computations part, found by walking both from their outputs. */
export interface ComputationDifference {
  readonly graph: readonly GraphDifference[];
  readonly weights: readonly WeightDifference[];
  /** True if there is more than is told. */
  readonly truncated: boolean;
}

/** Gathers differences, up to MAX_TOLD of each kind. */
export class Differences implements ComputationDifference {
  readonly graph: GraphDifference[] = [];
  readonly weights: WeightDifference[] = [];
  truncated = false;
  #work = MOST_WORK;
  readonly #filesOfA: ExternalFiles;
  readonly #filesOfB: ExternalFiles;

  constructor(filesOfA: ExternalFiles, filesOfB: ExternalFiles) {
    this.#filesOfA = filesOfA;
    this.#filesOfB = filesOfB;
  }

  get size(): number {
    return this.graph.length + this.weights.length;
  }

  /** Whether more may be compared: one value of a model may meet every one of the other, and all that these take. */
  get hasWork(): boolean {
    return this.#work >= 0;
  }

  compare(...parts: readonly (readonly unknown[])[]): void {
    this.#work -= PART * parts.reduce((sum, { length }) => sum + length, 1);
  }

  compareBytes(...attributes: readonly Uint8Array[]): void {
    this.#work -= attributes.reduce((sum, { length }) => sum + length, 0);
  }

  place(difference: GraphDifference): void {
    if (this.graph.length < MAX_TOLD) this.graph.push(difference);
    else this.truncated = true;
  }

  weight(a: Constant, b: Constant): void {
    if (this.weights.length >= MAX_TOLD) {
      this.truncated = true;
      return;
    }
    const distance =
      isSparse(a) || isSparse(b) ? null : weightDistance(a, b, this.#filesOfA, this.#filesOfB);
    this.weights.push({
      a: nameOf(a),
      b: nameOf(b),
      shapeOfA: shapeText(a),
      shapeOfB: shapeText(b),
      distance,
    });
  }
}
