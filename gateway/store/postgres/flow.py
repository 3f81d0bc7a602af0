"""From open inbox rows to settled outcomes."""
