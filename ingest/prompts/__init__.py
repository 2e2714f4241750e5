"""From files of facts and questions to prompts."""
