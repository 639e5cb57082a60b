"""What a workflow's tools may do: which are granted, and with what arguments. Pure."""
