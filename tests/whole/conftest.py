import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import world as w  # noqa: E402


@pytest.fixture
def world(tmp_path):
    made = w.World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(world):
    """One running server with alice and bob."""
    home = world.home("one.test", accounts=["alice", "bob"])
    world.publish()
    return home.start()


@pytest.fixture
def pair(world):
    """Two running servers, alice@one.test and bob@two.test, each published in the other's world."""
    one = world.home("one.test", accounts=["alice"], config='queue_retry_first = "1s"\nqueue_retry_most = "2s"')
    two = world.home("two.test", accounts=["bob"])
    world.publish()
    one.start()
    two.start()
    return one, two
