"""The SQL gate: PostgreSQL's protocol to clients, every statement governed before the server."""
