"""What a call costs: prices by day and tier, exchange rates, exact amounts. Pure."""
