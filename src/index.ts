export { AssayError } from '../attestation/index.js';
