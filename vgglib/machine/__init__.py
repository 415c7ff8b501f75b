"""What no chapter shows: devices, processes that train together, files, checkpoints."""
