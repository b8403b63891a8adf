"""npm packages of tests/peers/node, installed once a build as its lock file says."""
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def environment():
    """The environment in which `node` finds the packages."""
    folder = ROOT / "build" / "peers-node"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "node" / "package-lock.json").read_bytes()
    done = folder / "done.json"
    if not done.exists() or done.read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            (folder / name).write_bytes((HERE / "node" / name).read_bytes())
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, capture_output=True, timeout=600)
        done.write_bytes(lock)
    return dict(os.environ, NODE_PATH=str(folder / "node_modules"), NODE_TLS_REJECT_UNAUTHORIZED="0")
