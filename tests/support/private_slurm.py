"""A real Slurm of one test: munged, slurmctld and two slurmd on this host, without systemd."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scancel")

_CONF = """
ClusterName=lodesmith
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
SlurmdTimeout=60
SchedulerParameters=sched_interval=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={port2} CPUs=1 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def find(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def missing():
    return [program for program in PROGRAMS if find(program) is None]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports


@contextmanager
def private_slurm(folder):
    """Yield the environment by which commands reach a Slurm of two nodes with a CPU each."""
    folder.mkdir(mode=0o700)
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    port, port1, port2 = free_ports(3)
    (folder / "slurm.conf").write_text(
        _CONF.format(
            folder=folder, user=getpass.getuser(), host=socket.gethostname().partition(".")[0],
            port=port, port1=port1, port2=port2,
        )
    )  # fmt: skip
    environment = {"SLURM_CONF": str(folder / "slurm.conf")}
    daemons = [
        ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key",
         f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
         f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"],
        ["slurmctld", "-D", "-i"],
        ["slurmd", "-D", "-N", "n1"],
        ["slurmd", "-D", "-N", "n2"],
    ]  # fmt: skip
    processes = []
    try:
        with (folder / "daemons.out").open("wb") as out:
            for name, *arguments in daemons:
                processes.append(
                    subprocess.Popen(
                        [find(name), *arguments], env={**os.environ, **environment},
                        stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    )
                )  # fmt: skip
                if name == "munged":  # without it the others end at once
                    _await_socket(folder)
        _await_nodes(environment, folder)
        yield environment
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_socket(folder):
    for _ in range(600):
        if (folder / "munge.socket").exists():
            return
        time.sleep(0.1)
    raise RuntimeError(f"munged did not start: {(folder / 'daemons.out').read_text()[-2000:]}")


def _await_nodes(environment, folder):
    for _ in range(400):
        result = subprocess.run(
            ["sinfo", "--noheader", "--format=%D %t"],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if result.stdout.strip() == "2 idle":
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    raise RuntimeError(f"Slurm did not start: {result.stdout}{result.stderr}\n{logs}")
