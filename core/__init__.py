"""What every part of Tagline uses: settings, errors, states, tasks, inputs, broker. Imports nothing else of ours."""
