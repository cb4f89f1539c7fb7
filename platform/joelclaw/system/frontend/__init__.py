"""System functions by the names under which the official dashboard asks for them, and the command line sometimes."""
