"""Prints what virtee's sev-snp-measure computes for each case of a JSON list on standard input."""

import json
import sys

from sevsnpmeasure import guest, vcpu_types, vmm_types
from sevsnpmeasure.sev_mode import SevMode

VMMS = {
    "qemu": vmm_types.VMMType.QEMU,
    "ec2": vmm_types.VMMType.ec2,
    "gce": vmm_types.VMMType.gce,
}

digests = []
for case in json.load(sys.stdin):
    digest = guest.calc_launch_digest(
        SevMode.SEV_SNP,
        case["processors"],
        vcpu_types.CPU_SIGS[case["cpu"]],
        case["firmware"],
        case.get("kernel"),
        case.get("initrd"),
        case.get("commandLine"),
        int(case["features"], 16),
        "",
        VMMS[case["vmm"]],
    )
    digests.append(digest.hex())
json.dump({"digests": digests, "cpus": sorted(vcpu_types.CPU_SIGS)}, sys.stdout)
