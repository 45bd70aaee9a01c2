"""A day in the life of a few hundred clients: bad networks, reloads, a drain and a crash. What each saw is checked."""
