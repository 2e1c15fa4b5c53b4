"""The panel of PlaneSSL, file by file. Nothing is imported here: Slicer loads all modules when it starts."""
