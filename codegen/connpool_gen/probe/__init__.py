"""The run-time reader: a program of its own that imports the target and describes it.

It runs in a child process (`python -P -m connpool_gen.probe REQUEST.json ANSWER.json`), so that
whatever the target does while it is imported (prints, threads, `sys.exit`, a hang) cannot harm the
run. Standard library only.
"""
