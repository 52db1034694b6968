"""The MCP gateway: clients on one side, servers on the other, one governed path between."""
