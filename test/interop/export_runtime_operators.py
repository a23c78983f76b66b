"""Writes src/admission/runtime-operators.ts: what the pinned ONNX Runtime can execute.

usage: python export_runtime_operators.py > src/admission/runtime-operators.ts
       (with onnxruntime of the pinned version, and onnx, from PyPI)

The runtime tells its own operator schemas and CPU kernels. An operator of a version can be executed
if a kernel is registered for it, by the runtime's own rule of matching versions, or if ONNX defines
it as a function of operators.
"""

import collections
import textwrap

import onnx
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as state

UNBOUNDED = 2147483647
NEWEST = {"": 26, "ai.onnx.ml": 5, "com.microsoft": 1}

kernels = collections.defaultdict(set)
for kernel in state.get_all_opkernel_def():
    if kernel.provider == "CPUExecutionProvider":
        kernels[kernel.domain, kernel.op_name].add(kernel.version_range)

functions = {
    (schema.domain, schema.name, schema.since_version)
    for schema in onnx.defs.get_all_schemas_with_history()
    if schema.has_function or schema.has_context_dependent_function
}


def executable(domain, name, since, deprecated):
    def matches(start, end):
        return start == since or (start < since <= end and end != UNBOUNDED)

    if deprecated:
        return False
    if (domain, name) == ("", "Constant"):
        return True  # becomes an initializer as the model is loaded
    return (domain, name, since) in functions or any(
        matches(start, end) for start, end in kernels[domain, name]
    )


table = collections.defaultdict(dict)
for schema in state.get_all_operator_schema():
    domain = "" if schema.domain == "ai.onnx" else schema.domain
    if domain in NEWEST and schema.since_version <= NEWEST[domain]:
        versions = table[domain].setdefault(schema.name, {})
        versions[schema.since_version] = executable(
            domain, schema.name, schema.since_version, schema.deprecated
        )

print("// Written by test/interop/export_runtime_operators.py; do not edit.")
print()
print("/** The runtime that this table describes. */")
print(f"export const RUNTIME_VERSION = '{onnxruntime.__version__}';")
print()
print("/** The newest version of each operator set that the runtime supports. */")
print("export const NEWEST_OPSETS: Readonly<Record<string, number>> = {")
for domain, version in NEWEST.items():
    print(f"  '{domain}': {version},")
print("};")
print()
print("/**")
print(" * By domain, operators with the versions at which they changed. A version with a minus sign is known")
print(" * to the runtime, which cannot execute it.")
print(" */")
print("export const OPERATORS: Readonly<Record<string, string>> = {")
for domain in NEWEST:
    operators = []
    for name in sorted(table[domain]):
        versions = sorted(table[domain][name].items())
        operators.append(
            " ".join([name, *(str(version if works else -version) for version, works in versions)])
        )
    print(f"  '{domain}': `")
    print(textwrap.fill("; ".join(operators), 98, break_on_hyphens=False))
    print("`,")
print("};")
