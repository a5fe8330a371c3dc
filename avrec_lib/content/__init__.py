"""From files and words to vectors: text, pictures, sound and film. Import the module you need; chapter 3 shows each."""
