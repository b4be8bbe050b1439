"""The errors that do not come from the operating system."""


class McastError(Exception):
    """Base of every error that mcast defines itself; never raised directly."""


class UnsupportedError(McastError):
    """The platform does not offer the feature; the message names both."""
