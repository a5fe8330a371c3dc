"""The library behind the textbook *LLMs for Audio and Video Recommendation*.

Rooms follow the path of the data: `data`, then `content` and `behaviour`, then `recommenders`,
then `evaluation`, then `exercises`; `nn` holds the layers they share. Importing this package
imports none of them, so nothing heavy loads until a room is entered.
"""

__version__ = "0.1.0"
