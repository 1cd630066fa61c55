"""Tells the people in a frame from what is behind them: networks beside the loop, masks carried to each frame."""
