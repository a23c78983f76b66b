export { AssayError } from './encoding/error.js';
