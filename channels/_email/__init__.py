"""Reading a mail: from raw bytes to what a person said, in small steps that never raise.

The entry is :func:`channels._email.read.read`; untrusted mail goes through
:class:`channels._email.sandbox.Reader`, which does the same in a child that can be killed.
"""
