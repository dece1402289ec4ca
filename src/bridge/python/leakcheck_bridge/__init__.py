"""The half of leakcheck that lives inside the worker: it repeats, reads, records and answers.

It decides nothing: which test, how often, and what a growing counter means is said by the
other half. It writes to neither stdout nor stderr, needs only the standard library, and uses
syntax that every supported Python (3.8 and newer) understands.
"""

#: Version of the wire protocol. Both halves must agree.
PROTOCOL = 2
