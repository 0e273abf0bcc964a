"""Shard functions that worker processes of the tests can import."""

import errno
import os
import signal
import time
from pathlib import Path


def square(number):
    return number * number


def burn(cpu_seconds):
    end = time.process_time() + cpu_seconds
    while time.process_time() < end:
        pass


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


def handle_records(folder, poisons, *, watch):
    """Pass over ten records, of which some kill or hang whoever works on them or reads them."""
    kept, left_out = [], []
    for number in range(10):
        if why := watch.read(number):
            left_out.append([number, why, "unread"])
            break
        _meet(poisons.get(f"read-{number}"), folder, number)
        if why := watch.work(number):
            left_out.append([number, why])
            continue
        _meet(poisons.get(f"work-{number}"), folder, number)
        kept.append(number)
    watch.end()
    return {"kept": kept, "left_out": left_out}


def _meet(poison, folder, number):
    if poison == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif poison == "hang":
        while True:
            pass
    elif poison == "crash once" and not (flag := Path(folder) / f"{number}.once").exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    elif poison == "memory":
        try:
            bytearray(1 << 30)
        except MemoryError:
            (Path(folder) / "refused").touch()
    elif poison == "parent once" and not (flag := Path(folder) / "parent.killed").exists():
        flag.touch()
        os.kill(os.getppid(), signal.SIGKILL)


def fail_with_full_disk(number):
    raise OSError(errno.ENOSPC, "No space left on device", f"file-{number}")
