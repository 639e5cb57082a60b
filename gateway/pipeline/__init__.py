"""The ten stages of a call. `run.py` reads as their list; nothing here does I/O of its own."""
