"""Files of circuits from strangers, read by a process with bounds of time and memory."""
