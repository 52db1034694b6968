"""What the gateway bench sends, what the upstream answers, and who decides in between."""

from __future__ import annotations

import json

BODY = json.dumps(
    {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "You answer in one short and friendly paragraph."},
            {
                "role": "user",
                "content": "This is question number 000000000. Which river does Paris lie on, how "
                "many people live there, and what should somebody see who has one afternoon?",
            },
        ],
        "temperature": 0.7,
        "max_tokens": 256,
    },
    separators=(",", ":"),
)
REPLY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Paris lies on the Seine. About two million people live in the "
                    "city and twelve in its region. With one afternoon, walk along the river "
                    "from the islands to the gardens, and look at the old quarters on the way.",
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 57, "completion_tokens": 42, "total_tokens": 99},
    }
)
RULES = [
    {"name": f"rule-{n}", "match": {"type": f"tool_{n}*"}, "approval": "block"} for n in range(19)
]
POLICY = {"rules": [*RULES, {"name": "chat", "match": {"protocol": "llm"}, "approval": "auto"}]}

NGINX = """
worker_processes 1; daemon off; pid {home}/{name}.pid; error_log {home}/{name}.err crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
  client_body_temp_path {home}/{name}.body; proxy_temp_path {home}/{name}.proxy;
  fastcgi_temp_path {home}/{name}.f; uwsgi_temp_path {home}/{name}.u;
  scgi_temp_path {home}/{name}.s;
  {upstream}
  server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }}
}}
"""
