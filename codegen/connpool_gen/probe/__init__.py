"""The run-time reader: a program of its own that imports the target and describes it.

It runs in a child process (`python -P .../probe/start.py REQUEST.json ANSWER.json`), so that whatever
the target does while it is imported (prints, threads, `sys.exit`, a hang) cannot harm the run. The
interpreter is the project's, whichever Python from 3.11 on that is, and nothing of the tool's environment
is to be seen there. Standard library only.
"""
