import shutil
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "whole", HERE.parent / "mailauth"):
    sys.path.insert(0, str(folder))


@pytest.fixture(scope="module")
def folder():
    """Readable for the users that Postfix runs as."""
    made = Path(tempfile.mkdtemp(prefix="tram-peers-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)
