/**
 * Makes ONNX Runtime take float16 tensors as Uint16Array in this thread, as it does where there is no
 * Float16Array. From Node 24 on there is one, and onnxruntime-common hands it to a binding that reads
 * its length as 0 (microsoft/onnxruntime pull request 32323). To be called before the first tensor is
 * made, and only in threads and processes that run nothing but ONNX Runtime.
 */
export function storeFloat16InUint16(): void {
  Reflect.deleteProperty(globalThis, 'Float16Array');
}
