"""The scenes of the larger frameworks, each in a process of its own. `make frameworks` has all of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.frameworks.heavier import ANY, HEAVIER, installed
from tests.frameworks.stage import Scene


@pytest.mark.parametrize("scene", [scene for scene, _ in HEAVIER], ids=str)
def test_calls_know_where_they_are_made_and_are_counted_once(scene: Scene) -> None:
    if not installed(scene):
        pytest.skip(f"{scene.framework} is not in this environment: `make frameworks` has it")
    command = [sys.executable, "-W", "ignore", "-m", "tests.frameworks.heavier", str(scene)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert "In spring." in told["seen"]
    invented = [{name for name, value in place.items() if value == ANY} for place in scene.places]
    seen = [
        {name: ANY if name in any_of else value for name, value in place.items()}
        for place, any_of in zip(told["places"], invented, strict=True)
    ]
    assert seen == list(scene.places)
    assert len(told["keys"]) == len(set(told["keys"])) == told["billed"]
