"""Gives every test the mark that `MARK` names, such as `limit_leaks:100 B`, for tools that work by marks."""

import os

import pytest


def pytest_collection_modifyitems(items):
    name, _, value = os.environ.get("MARK", "").partition(":")
    for item in items if name else ():
        item.add_marker(getattr(pytest.mark, name)(value))
