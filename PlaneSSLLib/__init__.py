"""PlaneSSL: learn an organ from the planes in which it was imaged."""

__version__ = "0.1.0"


class PlaneSSLError(Exception):
    """Something the user can mend; the message is a full sentence that names the thing and the way out."""
