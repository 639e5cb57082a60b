"""What the rules in force say of a call: its prompt, its tools, where it may go. Pure."""
