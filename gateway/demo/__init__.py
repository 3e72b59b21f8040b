"""The demo: a small shop's story, played through a real gateway; and real parts for it by pip alone."""
