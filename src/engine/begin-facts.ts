import { executionFacts } from './profile.js';

/**
 * Imported before all else by a program that will serve: the facts are gathered while its other modules are
 * evaluated. They are kept; what fails here fails again where a model's profile is stated.
 */
executionFacts().catch(() => undefined);
