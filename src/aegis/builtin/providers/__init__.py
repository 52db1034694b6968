"""Model providers: they take an OpenAI chat-completions body and give one back."""
