"""What entries do to the state rows, and how those rows are named and read. Pure."""
