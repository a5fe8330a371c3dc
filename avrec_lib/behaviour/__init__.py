"""User behaviour: events, their collection and cleaning. Import the module you need; chapter 4 shows each."""
