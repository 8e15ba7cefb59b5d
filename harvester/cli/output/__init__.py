"""What commands print: text, tables, bars, JSON, log lines."""
