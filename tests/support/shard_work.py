"""Shard functions that worker processes of the tests can import."""

import os
import signal
from pathlib import Path


def square(number):
    return number * number


def count_calls_and_square(number, folder):
    with (Path(folder) / f"{number}.calls").open("a") as file:
        file.write("x")
    return number * number


def die_once(number, folder):
    flag = Path(folder) / f"{number}.died"
    if number == 2 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
