"""What `make bench-security` sends to five frameworks, sent to ours alone."""

import sys

from bench.bench_security import ATTACKS, make_folder, verdicts


def test_no_attack_of_the_comparison_succeeds(tmp_path):
    found = verdicts(sys.executable, "poorwsgi", make_folder(tmp_path))
    faults = {
        attack.name: fault
        for attack, fault in zip(ATTACKS, found, strict=True)
        if fault
    }
    assert faults == {}
