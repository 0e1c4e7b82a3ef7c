"""How much a base that was trained on other tags helps where there are few pictures."""
