import type { NodeState } from './scope.js';

/** What a walk does with the nodes that it comes to. */
export interface NodeVisitor {
  /** The nodes that are to be visited before this one; asked once of each, on the way down. */
  needs(state: NodeState): readonly NodeState[];
  /** Whether a node is visited already; what it throws ends the walk. */
  known(state: NodeState): boolean;
  visit(state: NodeState): void;
}

interface Frame {
  readonly state: NodeState;
  readonly needs: readonly NodeState[];
  next: number;
}

/**
 * Visits a node after all that it needs, each once, depth first in the order of the needs. The stack is one of
 * its own: the order of nodes in the file does not matter, a chain of any length is no danger, and time is
 * linear. A visitor that does not throw where a node needs itself walks for ever.
 */
export function walkNeeds(root: NodeState, visitor: NodeVisitor): void {
  const enter = (state: NodeState): Frame => ({ state, needs: visitor.needs(state), next: 0 });
  const stack = visitor.known(root) ? [] : [enter(root)];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const need = frame.needs[frame.next];
    frame.next += 1;
    if (need === undefined) {
      visitor.visit(frame.state);
      stack.pop();
    } else if (!visitor.known(need)) {
      stack.push(enter(need));
    }
  }
}
