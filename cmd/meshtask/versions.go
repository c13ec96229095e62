package main

func checkVersions(w *world) int { return 0 }
