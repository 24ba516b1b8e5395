"""Owners: which process does a claim belong to, and is that process still there?

A run that was killed cannot give up what it claimed. On its own machine it is recognised at once; from another machine
its claims are waited for until their lease runs out.
"""

import os
import secrets
import socket

import psutil


def new_owner() -> str:
    """Return a name for a run of this process: machine, process, when the process began, and a random word."""
    began = psutil.Process().create_time()
    return f"{socket.gethostname()}|{os.getpid()}|{began:.2f}|{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Say whether a run's process is gone for certain; False where that cannot be told from here."""
    try:
        host, pid, began, _ = owner.split("|")
        if host != socket.gethostname():
            return False
        process = psutil.Process(int(pid))
        return abs(process.create_time() - float(began)) > 1.0 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False
