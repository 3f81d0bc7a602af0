"""What the bot can do, one module a skill: each rule takes the :class:`bot.view.View` and answers or passes (None)."""
