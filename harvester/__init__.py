"""Copies every backtest report of a QuantConnect account into a dated archive."""

__version__ = "0.2.0"
