"""A QuantConnect API on localhost that draws its own reports. Shares no code with `api`."""
