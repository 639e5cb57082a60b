"""What waits for a person: what is asked, how it stands, and who may have what was approved. Pure."""
