"""Classifiers: what an error of a client says about its server, and whether the call may be tried again.

A classifier is a pure function `(error) -> Verdict | None`; None means: not known to this one. Where to find what:

- `verdict.py`: the answer to the two questions, and the words for the usual answers;
- `table.py`: a classifier made of data: names of error classes, and codes that errors carry;
- `chain.py`: from an error to those that led to it, and what a whole chain or group of errors says;
- `local.py`, `transport.py`, `status.py`: what is known of errors whatever the library;
- one file per library, named after it;
- `registry.py`: which classifier is for which package, and `judge`, which asks them all.

**The rule.** What says no to a *call* is an answer: the server is healthy, and another caller with another key gets
what it wants. What says no to the *connection* (refused, reset, wrong certificate, wrong password), or says that
the server cannot do its work (HTTP 500, a read-only primary), is a failure of the server. What says "not now, too
much" is neither, but the call may come back later. What never left this process is not about the server at all.

**No library is imported.** Errors are recognised by the names of their classes, so that judging an error costs no
import, works for whatever version is installed, and for the copies that some libraries bundle of others.
"""
