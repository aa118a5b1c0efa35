"""Folders of a hub, to and from: the package huggingface_hub is needed for what is not on this machine."""

import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from isotropy.errors import UserError

_FILES = ["config.json", "model.safetensors", "README.md"]


def downloaded(name: str, revision: str | None = None) -> Path:
    """Return a local folder with a hub's repository; UserError where it cannot be had."""
    hub = _hub(f"{name}: is no folder here, and to look for it on a hub")
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=_FILES))
    # Not found, no access, no network: classes of several packages.
    except Exception as error:
        raise UserError(
            f"{name}: is no folder here, and cannot be downloaded ({' '.join(str(error).split())})"
        ) from error


def uploaded(save: Callable[[Path], None], name: str, *, private: bool, message: str) -> str:
    """Upload what `save` writes into a folder, to a repository that is made where it is not there; return its address.

    Raises:
        UserError: no such package, or a hub that refuses.
    """
    hub = _hub("to push to a hub")
    api = hub.HfApi()
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder))
        try:
            address = str(api.create_repo(name, private=private, exist_ok=True))
            api.upload_folder(repo_id=name, folder_path=folder, commit_message=message)
        except Exception as error:
            raise UserError(f"{name}: cannot be pushed ({' '.join(str(error).split())})") from error
    return address


def _hub(why: str) -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise UserError(f"{why}, huggingface_hub is needed: pip install 'isotropy[export]'") from error
