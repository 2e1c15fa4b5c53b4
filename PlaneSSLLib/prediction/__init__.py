"""Trained runs at work: segment, classify, predict lines, evaluate, measure."""
