"""How we speak HTTP: the server's side, who is asking, errors, answers, waiting."""
