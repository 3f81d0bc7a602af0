"""What many nodes share through Redis: wake-ups, rates and access tokens. Nothing here is needed, all of it may be lost."""
