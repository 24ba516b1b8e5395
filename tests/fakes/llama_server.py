"""Llama server: llama.cpp's own HTTP server, on loopback, with a model from a file.

`python -m tests.fakes.llama_server PORT FILE` serves until it is ended. Not a fake: the real server, from a ready-built wheel.
"""

import sys
import threading

import xllamacpp

if __name__ == "__main__":
    params = xllamacpp.CommonParams()
    params.port, params.hostnames = int(sys.argv[1]), ["127.0.0.1"]
    params.model.path = sys.argv[2]
    params.model_alias = {"tiny"}
    params.n_ctx, params.n_parallel = 16384, 4
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.fit_params = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()
