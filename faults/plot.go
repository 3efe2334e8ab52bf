package main

func (r *report) writePlot(path string) error { return nil }
