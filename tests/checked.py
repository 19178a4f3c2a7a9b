"""A tool called as the guard calls it: arguments and answer go through its schemas."""

import time

from drawbar.core.schema import Checker
from drawbar.core.tool import Call


def call(adapter, name, /, **arguments):
    tool = {tool.name: tool for tool in adapter.tools()}[name]
    checked = Checker.of(tool.input_schema).arguments(arguments)
    answer = tool.run(checked, Call("c", "me", time.monotonic() + 20))
    assert Checker.of(tool.output_schema).deviation(answer) is None
    return answer
