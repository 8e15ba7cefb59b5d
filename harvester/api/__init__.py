"""The QuantConnect API: requests, their pace, their retries, and what their answers mean."""
