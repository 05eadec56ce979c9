"""What every part of Tagline shares and nothing of ours below it: settings, errors, states, task specs."""
