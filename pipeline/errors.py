"""The exceptions that speak to the user.

Whatever is the user's to mend (a path, a key, a text, a full disk) is raised as `InputError` with a
message that names the file, line or key and says what to do. A stage prints it as one line and exits
with 2. `LeftEarly` says that the work was asked to stop and how to go on with it. Any other exception is a fault of
ours and keeps its traceback.
"""


class InputError(Exception):
    """Something outside the program has to be changed; the message says what and how."""


class OneProcessError(InputError):
    """One that a process alone may meet, of several that were launched: it says so itself, whichever it is."""


class LeftEarly(Exception):  # noqa: N818 - nothing is wrong
    """The work was asked to stop, and did when what was done was kept; the message says how to go on."""
