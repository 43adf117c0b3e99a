"""What every package of qllmft rests on: files, text, errors, plug-ins, child processes and their bounds."""
