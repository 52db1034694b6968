"""The Git gate: smart HTTP to clients, every fetch and push governed before the server."""
