"""PostgreSQL drivers side by side: what they are asked, how they are measured, how it is shown."""
