"""The cases as a suite that knows no tool. `REPEAT` is for tools that do not repeat by themselves."""

import os

import cases
import pytest

REPEAT = int(os.environ.get("REPEAT", "1"))


@pytest.fixture(scope="session")
def shared():
    return {}


def test_dict_of_a_fixture(shared):
    for _ in range(REPEAT):
        cases.dict_of_a_fixture(shared)


def _test(body):
    def test():
        for _ in range(REPEAT):
            body()

    return test


for _name, _case in cases.CASES.items():
    if _name != "dict_of_a_fixture":
        globals()["test_" + _name] = _test(_case["body"])
