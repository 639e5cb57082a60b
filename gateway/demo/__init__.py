"""The story set: business tasks driven through a real server with the official SDK."""
