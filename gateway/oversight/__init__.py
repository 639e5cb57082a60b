"""What people do: enrol, activate, release, override, stop. Each is a unit that appends entries."""
