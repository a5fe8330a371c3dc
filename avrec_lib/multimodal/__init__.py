"""Text, picture and sound in one model: the article's program of 5.3, made to run, and the smallest repair it needs."""
