"""What a run needs around the learning: processes, folder, state on disk, journal, passport."""
