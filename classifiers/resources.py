"""Data files that stand beside the code that reads them."""

from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML


def read_yaml(package: str, name: str) -> Any:
    """Return what a YAML file of a package says."""
    return parsed(files(package).joinpath(name).read_bytes())


def parsed(text: bytes) -> Any:
    """Return what a text in YAML says."""
    return YAML(typ="safe", pure=True).load(text)
