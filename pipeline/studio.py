"""Studio: everything a person can do, once; the command line and the pages call the same methods.

Here the store meets the stages. Each method reads records or frames, calls a pure stage, and stores what comes out.
"""
