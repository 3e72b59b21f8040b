"""The story ends well, and whoever runs it sees that."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("options", [[], ["--kafka"]], ids=["embedded", "kafka"])
def test_the_demo_exits_0_with_all_of_it_arrived(options):
    command = [sys.executable, "-m", "gateway", "demo", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "10 posted, 1 refused as it should be, 9 arrived" in ended.stdout
    assert "All of it arrived, in order." in ended.stdout
    assert ended.stderr == ""
