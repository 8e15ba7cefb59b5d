"""What an operator sees of a run: progress, journal, notifications, metrics, schedule."""
