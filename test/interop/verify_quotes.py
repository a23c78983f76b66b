"""Answers questions about TDX quotes with dcap-qvl: JSON on standard input, a status each on standard output."""

import json
import sys

import dcap_qvl

answers = []
for question in json.load(sys.stdin):
    collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(question["collateral"]))
    try:
        report = dcap_qvl.verify_with_root_ca(
            bytes.fromhex(question["quote"]), collateral, bytes.fromhex(question["root"]), question["at"]
        )
        answers.append(report.status)
    except ValueError as error:
        answers.append(str(error))
json.dump(answers, sys.stdout)
