"""What the gateway keeps: its view on the state rows, and the port implementations over the ledger."""
